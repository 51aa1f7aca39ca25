"""Operations that read: sessions, what can be filtered by, figures."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from connectors.ids import mask
from review import customers, figures, listing, prompt_pages, reading, taking_along
from review.access import Role
from review.auditing import note
from review.errors import BadFilter, NotThere
from review.filters import BY_FACET, REVIEWS, SORTS, STATES, Filter
from review.judging import Judge
from review.operations import COUNT, TEXT, Operation, Schema, having, listed, shape

MOST = 200

_SESSION: Schema = having(
    id=TEXT, conversation=TEXT, customer=TEXT, business=TEXT, assistant=TEXT, state=TEXT,
    review={"enum": list(REVIEWS)}, opened_ms=COUNT, last_ms=COUNT, texts=COUNT, replies=COUNT,
    cost=COUNT, flags=COUNT, tags=listed(having(id=COUNT, name=TEXT, colour=TEXT)),
)  # fmt: skip
_FIRST = date(1970, 1, 1)
_DAY: Schema = {"type": "string", "format": "date"}
_QUERY: dict[str, Schema] = {
    **{field.name: TEXT for field in fields(Filter)},
    "state": {"enum": ["", *STATES]},
    "review": {"enum": ["", *REVIEWS]},
    "sort": {"enum": list(SORTS)},
    "order": {"enum": ["down", "up"]},
    "since": _DAY,
    "until": _DAY,
}


def operations() -> list[Operation]:
    viewer, operator = Role.VIEWER, Role.OPERATOR
    page = having(sessions=listed(_SESSION), older=TEXT, newer=TEXT, count=COUNT)
    size: Schema = {"type": "integer", "minimum": 1, "maximum": MOST}
    return [
        Operation(
            "GET", "/sessions", viewer, "Sessions that a filter lets through, a page at a time",
            sessions, page, query={**_QUERY, "page": TEXT, "size": size},
        ),
        Operation(
            "GET", "/sessions/{session}", viewer, "A session, message by message", session,
            having(session=_SESSION, flow=listed(having(type=TEXT, at_ms=COUNT))),
        ),
        Operation(
            "GET", "/sessions/{session}/tracker", viewer, "A session as a Rasa tracker", tracker,
            having(sender_id=TEXT, events=listed({"type": "object"})),
        ),
        Operation(
            "GET", "/sessions/{session}/prompts/{prompt}", viewer,
            "What a model was sent, byte for byte; the `attempts` of an answer's `model` name it",
            prompt, having(id=TEXT, at_ms=COUNT, rung=TEXT, body=TEXT, request={"type": "object"}),
        ),
        Operation(
            "POST", "/sessions/{session}/number", operator,
            "The customer's number in full; that it was shown is on record", number,
            having(customer=TEXT),
        ),
        Operation(
            "POST", "/customers/find", operator,
            "A customer by the whole number: what to filter by; that somebody looked is on record",
            find_customer, having(conversation=TEXT), shape({"number": TEXT}),
        ),
        Operation(
            "GET", "/choices/{kind}", viewer, f"What can be filtered by: {', '.join(BY_FACET)}",
            choices, having(choices=listed(TEXT)),
        ),
        Operation(
            "GET", "/figures", viewer, "Counts, times and costs of each day (UTC)", days,
            having(days=listed(having(day=TEXT, texts=COUNT)), total=having(texts=COUNT)),
            query={"since": _DAY, "until": _DAY, "assistant": TEXT, "number": TEXT},
        ),
    ]  # fmt: skip


def sessions(request: Request) -> dict[str, Any]:
    state, query = request.app.state, request.query_params
    wanted = Filter.read(query)
    with state.database.reading() as connection:
        page = listing.page(
            connection, wanted, query.get("page", ""), _size(query.get("size", "")), state.lengths()
        )
    return {
        "sessions": [plain(row) for row in page.rows],
        "older": page.older,
        "newer": page.newer,
        "count": page.count,
    }


def session(request: Request) -> dict[str, Any]:
    return _session(request, whole=False)


def whole_session(request: Request) -> dict[str, Any]:
    """With every prompt, which may be long."""
    return _session(request, whole=True)


def _session(request: Request, *, whole: bool) -> dict[str, Any]:
    state = request.app.state
    with state.database.reading() as connection:
        found = reading.session(
            connection, request.path_params["session"], state.prices, state.lengths()
        )
        if found is None:
            raise NotThere("There is no such session, or it was deleted.")
        if whole:
            found = reading.with_prompts(connection, found)
    apart = ("flow", "notes", "siblings", *(["prompts"] if whole else []))
    return {
        "session": plain({name: value for name, value in found.items() if name not in apart}),
        **{name: found[name] for name in apart},
    }


def prompt(request: Request) -> dict[str, Any]:
    return prompt_pages.read(request).plain()


def tracker(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        n = Judge(connection, "").session_number(request.path_params["session"])
        records = reading.records_of(connection, n)
    return taking_along.as_tracker(records, records[0].conversation if records else "")


def number(request: Request) -> dict[str, Any]:
    session_id = request.path_params["session"]
    with request.app.state.database.writing() as connection:
        customer = reading.customer_of(connection, session_id)
        note(connection, request.state.person.name, "saw a number", session=session_id)
    return {"customer": customer, "masked": mask(customer)}


def find_customer(request: Request) -> dict[str, Any]:
    with request.app.state.database.writing() as connection:
        who, typed = request.state.person.name, request.state.json["number"]
        return {"conversation": ",".join(customers.find(connection, typed, who))}


def choices(request: Request) -> dict[str, Any]:
    kind = request.path_params["kind"]
    if kind not in BY_FACET:
        raise NotThere(f"One can choose by {', '.join(BY_FACET)}.")
    with request.app.state.database.reading() as connection:
        return {"choices": listing.choices(connection, kind)}


def days(request: Request) -> dict[str, Any]:
    query = request.query_params
    until = _day("until", query.get("until", "")) or figures.today()
    since = _day("since", query.get("since", "")) or max(until, _FIRST) - timedelta(days=29)
    if not 0 <= (until - since).days < figures.MOST_DAYS:
        raise HTTPException(422, f"From since to until are 1 to {figures.MOST_DAYS} days.")
    with request.app.state.database.reading() as connection:
        return figures.figures(
            connection,
            since,
            until,
            assistant=query.get("assistant", ""),
            number=query.get("number", ""),
        )


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is of use to the tables alone."""
    return {name: value for name, value in row.items() if name != "n"}


def _size(given: str) -> int:
    if not given:
        return listing.PAGE
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= MOST:
        raise BadFilter(f"size must be from 1 to {MOST}")
    return int(given)


def _day(name: str, given: str) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise BadFilter(f"{name} must be a day like 2026-11-23") from None
