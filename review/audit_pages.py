"""The audit: who did what, the newest first. For administrators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review import auditing
from review.access import Role, route
from review.paper import render
from review.wording import long


def routes() -> list[Route]:
    return [route("/audit", audit, Role.ADMINISTRATOR)]


def audit(request: Request) -> Response:
    with request.app.state.database.reading() as connection:
        lines, older = auditing.page(connection, request.query_params.get("page", ""))
    return render(
        request,
        "audit.html",
        title="Audit",
        lines=[{**line, "when": long(line["at_ms"])} for line in lines],
        older=older,
    )
