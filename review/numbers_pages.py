"""The numbers: what went on each day, as plots and as tables."""

from __future__ import annotations

from datetime import timedelta

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review import figures, listing, numbers_view
from review.access import Role, route
from review.paper import render

SPANS = ("7", "30", "90", "365")


def routes() -> list[Route]:
    return [route("/numbers", numbers, Role.VIEWER)]


def numbers(request: Request) -> Response:
    state, asked = request.app.state, request.query_params
    span, assistant = asked.get("days") or "30", asked.get("assistant", "")
    number = asked.get("number", "")
    if span not in SPANS:
        raise HTTPException(400, f"days is one of {', '.join(SPANS)}")
    until = figures.today()
    since = until - timedelta(days=int(span) - 1)
    with state.database.reading() as connection:
        found = figures.figures(connection, since, until, assistant=assistant, number=number)
        known = {kind: listing.choices(connection, kind) for kind in ("assistant", "number")}
    currency = state.prices.currency
    return render(
        request,
        "numbers.html",
        title="Numbers",
        span=span,
        spans=[(days, f"{days} days") for days in SPANS],
        assistant=assistant,
        assistants=[(name, name) for name in known["assistant"]],
        number=number,
        numbers=[(name, name) for name in known["number"]],
        tiles=numbers_view.tiles(found["total"], currency),
        plots=numbers_view.PLOTS,
        head=numbers_view.HEAD,
        days=[numbers_view.row(day["day"], day, currency) for day in reversed(found["days"])],
        by_assistant=[
            numbers_view.row(one["assistant"] or "none", one, currency)
            for one in found["assistants"]
        ],
        prices_as_of=state.prices.as_of,
        errors=numbers_view.errors(found["total"]),
        # Safe: numbers_view escapes what could end the element.
        figures=Markup(numbers_view.as_json(found["days"])),  # noqa: S704
    )
