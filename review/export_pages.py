"""Files to take along: the list as CSV and JSON, a session as JSON and as a Rasa tracker."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from review import api_sessions, listing, taking_along
from review.access import Role, route
from review.auditing import note
from review.filters import Filter


def routes() -> list[Route]:
    return [
        route("/sessions.csv", sessions_csv, Role.VIEWER),
        route("/sessions.json", sessions_json, Role.VIEWER),
        route("/sessions/{session}/session.json", session_json, Role.VIEWER),
        route("/sessions/{session}/tracker.json", tracker_json, Role.VIEWER),
    ]


def sessions_csv(request: Request) -> Response:
    text = taking_along.as_csv(_listed(request))
    return Response(text, headers=_file("sessions.csv"), media_type="text/csv")


def sessions_json(request: Request) -> Response:
    rows = [api_sessions.plain(row) for row in _listed(request)]
    return JSONResponse({"sessions": rows}, headers=_file("sessions.json"))


def session_json(request: Request) -> Response:
    name = f"session-{request.path_params['session']}.json"
    return JSONResponse(api_sessions.whole_session(request), headers=_file(name))


def tracker_json(request: Request) -> Response:
    name = f"tracker-{request.path_params['session']}.json"
    return JSONResponse(api_sessions.tracker(request), headers=_file(name))


def _listed(request: Request) -> list[dict[str, Any]]:
    """All that the filter lets through; taking them along is on record."""
    state, wanted = request.app.state, Filter.read(request.query_params)
    with state.database.reading() as connection:
        rows = listing.every(connection, wanted, state.lengths(), taking_along.MOST)
    with state.database.writing() as connection:
        details = f"{len(rows)} sessions, {wanted.query() or 'all'}"
        note(connection, request.state.person.name, "took sessions along", details=details)
    return rows


def _file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
