"""The list of sessions: the page, its rows alone for a page that is open, saved views."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review import customers, list_view, listing, saved_views
from review.access import Role, route
from review.errors import Unusable
from review.filters import BY_FACET, Filter
from review.judging import Judge, tags
from review.list_view import Choice
from review.paper import is_fragment, render

CHOICES_SECONDS = 30.0
MOST_AT_ONCE = 200


def routes() -> list[Route]:
    return [
        route("/", sessions, Role.VIEWER),
        route("/sessions/bulk", bulk, Role.REVIEWER, "POST"),
        route("/customers/find", find_customer, Role.OPERATOR, "POST"),
        route("/views", save_view, Role.VIEWER, "POST"),
        route("/views/{id:int}/forget", forget_view, Role.VIEWER, "POST"),
    ]


def sessions(request: Request, problem: str = "", status: int = 200) -> Response:
    state, wanted = request.app.state, read_filter(request)
    now_ms = int(time.time() * 1000)
    with state.database.reading() as connection:
        cursor = request.query_params.get("page", "")
        page = listing.page(connection, wanted, cursor, lengths=state.lengths())
        rows = list_view.rows(page, now_ms, state.prices.currency)
        if is_fragment(request):
            return render(request, "_rows.html", rows=rows, query=wanted.query())
        saved = saved_views.of(connection, request.state.person.name)
        all_tags = tags(connection)
    return render(
        request,
        "sessions.html",
        status,
        problem=problem,
        title="Sessions",
        page={
            "found": list_view.found_words(page),
            "newer": f"/?{wanted.query(page=page.newer)}" if page.newer else "",
            "older": f"/?{wanted.query(page=page.older)}" if page.older else "",
        },
        rows=rows,
        query=wanted.query(),
        wanted=wanted,
        folded=list_view.folded(wanted),
        columns=list_view.columns(wanted),
        views=list_view.views(wanted, saved),
        states=list_view.state_choices(),
        reviews=list_view.review_choices(),
        fields=list_view.fields(wanted, _known(request, all_tags)),
        all_tags=all_tags,
        may_review=request.state.person.role >= Role.REVIEWER,
        may_find=request.state.person.role >= Role.OPERATOR,
    )


def read_filter(request: Request) -> Filter:
    """Raises BadFilter, which says what is wrong with the address."""
    return Filter.read(request.query_params)


def _known(request: Request, all_tags: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Choice]]:
    """What can be chosen; asked of the database now and then, not for every page."""
    state = request.app.state
    asked_at, known = getattr(state, "choices", (0.0, {}))
    if time.monotonic() - asked_at > CHOICES_SECONDS:
        with state.database.reading() as connection:
            known = {
                kind: [(value, value) for value in listing.choices(connection, kind)]
                for kind in BY_FACET
            }
        state.choices = (time.monotonic(), known)
    return {
        **known,
        "tag": [(str(tag["id"]), str(tag["name"])) for tag in all_tags],
        "flagged": [("yes", "flagged")],
    }


def find_customer(request: Request) -> Response:
    """A number comes in the body, and an address gets only what the conversations are called."""
    try:
        with request.app.state.database.writing() as connection:
            typed, who = str(request.state.form.get("number", "")), request.state.person.name
            found = customers.find(connection, typed, who)
    except Unusable as error:
        return sessions(request, str(error), 422)
    if not found:
        return sessions(request, "No session of this number is known here.", 404)
    return RedirectResponse(_back(Filter(conversation=",".join(found)).query()), 303)


def bulk(request: Request) -> Response:
    form = request.state.form
    chosen = [str(one) for one in form.getlist("session")] if form else []
    if not 0 < len(chosen) <= MOST_AT_ONCE:
        raise HTTPException(422, f"Choose 1 to {MOST_AT_ONCE} sessions.")
    with request.app.state.database.writing() as connection:
        judge = Judge(connection, request.state.person.name)
        judge.bulk(chosen, str(form.get("do", "")), str(form.get("tag", "")))
    return RedirectResponse(_back(str(form.get("query", ""))), 303)


def save_view(request: Request) -> Response:
    form, who = request.state.form, request.state.person.name
    with request.app.state.database.writing() as connection:
        query = saved_views.save(
            connection,
            who,
            str(form.get("name", "")),
            str(form.get("query", "")),
            shared=bool(form.get("shared")),
        )
    return RedirectResponse(_back(query), 303)


def forget_view(request: Request) -> Response:
    with request.app.state.database.writing() as connection:
        saved_views.forget(connection, request.state.person.name, request.path_params["id"])
    return RedirectResponse("/", 303)


def _back(query: str) -> str:
    return f"/?{query}" if query else "/"
