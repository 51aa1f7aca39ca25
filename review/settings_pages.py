"""Settings that are made here: how long sessions are kept, and which systems are told what."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review import redaction, retention, webhooks
from review.access import Role, route
from review.announcements import EVENTS
from review.paper import render


def routes() -> list[Route]:
    return [
        route("/settings", settings, Role.ADMINISTRATOR),
        route("/settings/retention", keep, Role.ADMINISTRATOR, "POST"),
        route("/settings/webhooks", add, Role.ADMINISTRATOR, "POST"),
        route("/settings/webhooks/{id:int}/delete", delete, Role.ADMINISTRATOR, "POST"),
    ]


def settings(request: Request) -> Response:
    return _page(request)


def keep(request: Request) -> Response:
    days = str(request.state.form.get("days", "")).strip()
    if not (days.isascii() and days.isdigit() and len(days) < 6):
        raise HTTPException(422, "How many days? 0 keeps sessions for ever.")
    with request.app.state.database.writing() as connection:
        retention.set_retention(connection, int(days), request.state.person.name)
    return RedirectResponse("/settings", 303)


def add(request: Request) -> Response:
    """The page once more, with the secret: it is not shown again."""
    form, state, who = request.state.form, request.app.state, request.state.person.name
    events = [str(event) for event in form.getlist("event")] if form else []
    url = str(form.get("url", "")).strip()
    return _page(request, webhooks.add(state.database, state.outside, url, events, who))


def delete(request: Request) -> Response:
    with request.app.state.database.writing() as connection:
        webhooks.delete(connection, request.path_params["id"], request.state.person.name)
    return RedirectResponse("/settings", 303)


def _page(request: Request, secret: str = "") -> Response:
    with request.app.state.database.reading() as connection:
        days, told = retention.retention_days(connection), webhooks.webhooks(connection)
        at_twilio = redaction.waiting(connection)
    return render(
        request,
        "settings.html",
        title="Settings",
        days=days,
        at_twilio=at_twilio,
        longest=retention.LONGEST_DAYS,
        webhooks=told,
        events=EVENTS,
        secret=secret,
    )
