"""A session's page: the conversation, and what people say about it."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review import listing, reading, session_view
from review.access import Role, route
from review.auditing import note
from review.errors import BadFilter
from review.filters import SORTS, Filter
from review.judging import Judge, tags
from review.list_pages import read_filter
from review.paper import is_fragment, render


def routes() -> list[Route]:
    posts = {
        "review": review,
        "undo": undo,
        "rating": rate,
        "tag": tag,
        "untag": untag,
        "comment": comment,
        "flag": flag,
        "correct": correct,
    }
    return [
        route("/sessions/{id}/unmask", unmask, Role.OPERATOR, "POST"),
        *(
            route(f"/sessions/{{id}}/{name}", act, Role.REVIEWER, "POST")
            for name, act in posts.items()
        ),
    ]


def unmask(request: Request) -> Response:
    """The page once more, with the customer's number; that it was shown is on record."""
    found = read(request)
    with request.app.state.database.writing() as connection:
        found["customer"] = reading.customer_of(connection, found["id"])
        note(connection, request.state.person.name, "saw a number", session=found["id"])
    return page(request, found, unmasked=True)


def page(
    request: Request,
    found: dict[str, Any],
    *,
    desk: dict[str, str] | None = None,
    unmasked: bool = False,
    status: int = 200,
) -> Response:
    """A session, as `read` found it; `desk` as _desk.html shows it."""
    wanted = read_filter(request)
    newer, older = _neighbours(request, wanted, found)
    return render(
        request,
        "session.html",
        status,
        query=wanted.query(),
        newer=newer,
        older=older,
        facts=session_view.facts(found, request.app.state.prices.currency),
        desk=desk,
        unmasked=unmasked,
        **_given(request, found),
    )


def read(request: Request) -> dict[str, Any]:
    """The session of the address, with all that is known about it. Raises HTTPException."""
    state = request.app.state
    with state.database.reading() as connection:
        found = reading.session(
            connection, request.path_params["id"], state.prices, state.lengths()
        )
        if found is None:
            raise HTTPException(404, "There is no such session, or it was deleted.")
        return {**found, "all_tags": tags(connection)}


def _given(request: Request, found: dict[str, Any]) -> dict[str, Any]:
    """What the page and its parts need."""
    role = request.state.person.role
    return {
        "session": session_view.heading(found),
        "flow": session_view.flow(found["flow"], request.app.state.prices.currency),
        "all_tags": found["all_tags"],
        "may": {
            "review": role >= Role.REVIEWER,
            "unmask": role >= Role.OPERATOR,
            "delete": role >= Role.ADMINISTRATOR,
        },
    }


def _neighbours(request: Request, wanted: Filter, found: dict[str, Any]) -> tuple[str, str]:
    """The sessions before and after in the list that the reader came from, "" at its ends."""
    state, at = request.app.state, f"{found[SORTS[wanted.sort]]}:{found['n']}"
    ids = []
    with state.database.reading() as connection:
        for direction in ("newer", "older"):
            try:
                beside = listing.page(connection, wanted, f"{direction}:{at}", 1, state.lengths())
            except BadFilter:  # ordered by something that this session does not have
                return "", ""
            ids.append(str(beside.rows[0]["id"]) if beside.rows else "")
    return ids[0], ids[1]


# What people do


def review(request: Request) -> Response:
    return _judged(request, lambda judge, id: judge.review(id, _field(request, "status")))


def undo(request: Request) -> Response:
    return _judged(request, lambda judge, id: judge.undo_review(id))


def rate(request: Request) -> Response:
    return _judged(request, lambda judge, id: judge.note(id, "rating", _field(request, "stars")))


def tag(request: Request) -> Response:
    return _judged(request, lambda judge, id: judge.tag(id, _field(request, "tag")))


def untag(request: Request) -> Response:
    number = _number(_field(request, "tag"))
    return _judged(request, lambda judge, id: judge.untag(id, number))


def comment(request: Request) -> Response:
    return _judged(request, lambda judge, id: judge.note(id, "comment", _field(request, "text")))


def flag(request: Request) -> Response:
    """Flag a message, or take the flag away."""
    message, on = _message(request), _field(request, "on") != "0"

    def change(judge: Judge, id: str) -> None:
        if on:
            judge.note(id, "flag", message=message)
        else:
            judge.clear(id, "flag", message)

    return _judged(request, change, of_message=message)


def correct(request: Request) -> Response:
    """What the intent should have been, or what the answer should have said; "" takes it back."""
    kind = "intent" if "intent" in request.state.form else "ideal"
    message, value = _message(request), _field(request, kind).strip()

    def change(judge: Judge, id: str) -> None:
        if value:
            judge.note(id, kind, value, message)
        else:
            judge.clear(id, kind, message)

    return _judged(request, change, of_message=message)


def _judged(request: Request, change: Any, of_message: int = 0) -> Response:
    session_id = request.path_params["id"]
    with request.app.state.database.writing() as connection:
        change(Judge(connection, request.state.person.name), session_id)
    if is_fragment(request):
        return flow(request) if of_message else _judgement(request)
    place = f"#m{of_message}" if of_message else ""
    return RedirectResponse(f"/sessions/{session_id}{place}", 303)


def flow(request: Request) -> Response:
    """The conversation alone, for a page that is open already."""
    return render(request, "_flow.html", **_given(request, read(request)))


def _judgement(request: Request) -> Response:
    return render(request, "_judgement.html", **_given(request, read(request)))


def _field(request: Request, name: str) -> str:
    return str(request.state.form.get(name, ""))


def _message(request: Request) -> int:
    return _number(_field(request, "message").removeprefix("m"))


def _number(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise HTTPException(422, "That is no message, and no tag, of this session.")
    return int(given)
