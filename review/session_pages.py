"""The list of sessions, and a session's page."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review import listing, reading
from review.access import Role, route
from review.filters import BadFilter, Filter
from review.paper import render


def routes() -> list[Route]:
    return [
        route("/", sessions, Role.VIEWER),
        route("/sessions/{id}", session, Role.VIEWER),
    ]


def sessions(request: Request) -> Response:
    state = request.app.state
    try:
        wanted = Filter.read(request.query_params)
        with state.database.reading() as connection:
            page = listing.page(
                connection, wanted, request.query_params.get("page", ""), ttl_ms=state.ttl_ms
            )
    except BadFilter as error:
        raise HTTPException(400, str(error)) from None
    return render(request, "plain_sessions.html", page=page, wanted=wanted, when=when)


def session(request: Request) -> Response:
    state = request.app.state
    with state.database.reading() as connection:
        found = reading.session(connection, request.path_params["id"], state.prices, state.ttl_ms)
    if found is None:
        raise HTTPException(404, "There is no such session, or it was deleted.")
    return render(request, "plain_session.html", session=found, when=when)


def when(at_ms: Any) -> str:
    return datetime.fromtimestamp(int(at_ms) / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
