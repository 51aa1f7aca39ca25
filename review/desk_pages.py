"""The operator's desk: who waits for a person; taking a conversation, answering, giving back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from connectors.errors import HeldByAnother, NotAllowed, NotHeld, SessionOver, StoreUnavailable
from connectors.handover import HELD, HandedOver
from review import session_pages
from review.access import Role, route
from review.desk import Desk
from review.paper import is_fragment, render
from review.wording import clock, long

LOOK_SECONDS = 2.0

# session, operator
Act = Callable[[str, str], Awaitable[Any]]


def routes() -> list[Route]:
    return [
        route("/desk", desk, Role.OPERATOR),
        route("/sessions/{id}", session, Role.VIEWER),
        route("/sessions/{id}/take", take, Role.OPERATOR, "POST"),
        route("/sessions/{id}/answer", answer, Role.OPERATOR, "POST"),
        route("/sessions/{id}/give-back", give_back, Role.OPERATOR, "POST"),
    ]


async def watch(app: Starlette) -> None:
    """Count, for the menu of every page, who is at the desk; until cancelled."""
    while True:
        try:
            app.state.at_the_desk = len(await app.state.desk.hand_over.all())
        except StoreUnavailable:
            app.state.at_the_desk = 0
        await asyncio.sleep(LOOK_SECONDS)


async def desk(request: Request) -> Response:
    """Everybody who is not the assistant's now, the most urgent first."""
    found = await _desk(request).hand_over.all()
    listed = [_listed(one) for one in found]
    template = "_conversations.html" if is_fragment(request) else "desk.html"
    return render(request, template, title="Desk", conversations=listed)


async def session(request: Request) -> Response:
    """A session's page, with the desk for those who may answer."""
    if is_fragment(request):
        return await asyncio.to_thread(session_pages.flow, request)
    found = await asyncio.to_thread(session_pages.read, request)
    place = await _place(request, found)
    return await asyncio.to_thread(session_pages.page, request, found, desk=place)


async def take(request: Request) -> Response:
    return await _act(request, _desk(request).take)


async def give_back(request: Request) -> Response:
    return await _act(request, _desk(request).give_back)


async def answer(request: Request) -> Response:
    text = str(request.state.form.get("text", ""))

    async def send(session: str, operator: str) -> None:
        await _desk(request).answer(session, operator, text)

    return await _act(request, send, draft=text)


async def _act(request: Request, act: Act, draft: str = "") -> Response:
    """Do it, and show the conversation. What cannot be done is said above what was typed."""
    session_id = str(request.path_params["id"])
    try:
        await act(session_id, request.state.person.name)
    except (SessionOver, HeldByAnother, NotHeld, NotAllowed, ValueError) as error:
        found = await asyncio.to_thread(session_pages.read, request)
        place = await _place(request, found, problem=_problem(error), draft=draft)
        return await asyncio.to_thread(session_pages.page, request, found, desk=place, status=409)
    return RedirectResponse(f"/sessions/{session_id}#desk", 303)


async def _place(
    request: Request, found: dict[str, Any], problem: str = "", draft: str = ""
) -> dict[str, str] | None:
    """What _desk.html shows. None: a session outside SMS, or a reader who may not answer."""
    if request.state.person.role < Role.OPERATOR or not found["business"]:
        return None
    if found["state"] in ("ended", "opted_out"):
        words = "Nobody can answer here: the customer has to text again first."
        return {"state": "over", "words": words, "problem": problem, "draft": draft}
    try:
        held = await _desk(request).hand_over.state(found["conversation"])
    except StoreUnavailable as error:
        return {"state": "over", "words": f"{error}.", "problem": problem, "draft": draft}
    here = held if held and held.session == found["id"] else None
    state, words = _words(here, request.state.person.name)
    return {"state": state, "words": words, "problem": problem, "draft": draft}


def _words(here: HandedOver | None, who: str) -> tuple[str, str]:
    if here is None:
        return "free", "The assistant answers. It is quiet while you have the conversation."
    if here.state != HELD:
        until = f" until {clock(here.due_ms)} UTC" if here.due_ms else ""
        return "free", f"The customer waits for a person{until}."
    if here.operator != who:
        return "theirs", f"{here.operator} has this conversation."
    until = f" Answer by {clock(here.due_ms)} UTC, or it goes back." if here.due_ms else ""
    return "mine", f"The assistant is quiet while you have it.{until}"


def _problem(error: Exception) -> str:
    if isinstance(error, NotAllowed):
        return f"Not sent: {error.reason.replace('_', ' ')}. What to do: {error.do}."
    if isinstance(error, HeldByAnother):
        return f"{error.operator} has this conversation."
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def _listed(one: HandedOver) -> dict[str, str]:
    return {
        "session": one.session,
        "assistant": one.assistant,
        "state": one.state,
        "operator": one.operator,
        "reason": one.reason,
        "since": long(one.since_ms),
        "due": f"{clock(one.due_ms)} UTC" if one.due_ms else "",
    }


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
