"""The page of what was refused, and why."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review import refusals
from review.access import Role, route
from review.paper import render
from review.wording import REFUSALS, long

DAYS = 30


def routes() -> list[Route]:
    return [route("/refused", refused, Role.OPERATOR)]


def refused(request: Request) -> Response:
    asked = request.query_params
    reason = asked.get("reason", "")
    with request.app.state.database.reading() as connection:
        lines, older = refusals.page(connection, asked.get("page", ""), reason)
        counts = refusals.by_reason(connection, DAYS)
    return render(
        request,
        "refused.html",
        title="Refused",
        days=DAYS,
        reason=reason,
        counts=[{"reason": name, "words": REFUSALS.get(name, name), "n": n} for name, n in counts],
        lines=[_shown(line) for line in lines],
        older=older,
    )


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    words = REFUSALS.get(line["reason"], line["reason"])
    return {**line, "when": long(line["at_ms"]), "words": words}
