"""Operations on a customer's data, on what is told to other systems, and on tests."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from review import erasing, reading, saving_tests, webhooks
from review import retention as keeping
from review.access import Role
from review.announcements import EVENTS
from review.auditing import note
from review.erasing import Eraser
from review.errors import NotThere
from review.operations import COUNT, TEXT, YES, Operation, Schema, having, listed, shape

_EVENTS: Schema = {"type": "array", "items": {"enum": list(EVENTS)}, "minItems": 1}
_DAYS: Schema = {"type": "integer", "minimum": 0, "maximum": keeping.LONGEST_DAYS}


def operations() -> list[Operation]:
    admin, reviewer = Role.ADMINISTRATOR, Role.REVIEWER
    return [
        Operation(
            "POST", "/sessions/{session}/test", reviewer,
            "Save as a story for rasa test, or as an evaluation case", save_test,
            having(file=TEXT), shape({"as": {"enum": list(saving_tests.SAVE)}}),
        ),
        Operation(
            "POST", "/sessions/{session}/customer/export", admin,
            "Everything that is kept of the session's customer; on record", export,
            having(customer=TEXT, sessions=listed({"type": "object"}), tables={"type": "object"}),
        ),
        Operation(
            "DELETE", "/sessions/{session}/customer", admin,
            "Delete everything of the session's customer: Twilio, Redis, saved tests, SQL", erase,
            having(deleted=COUNT, files=listed(TEXT), left=listed(having(file=TEXT, why=TEXT))),
        ),
        Operation("GET", "/retention", admin, "How many days sessions are kept, 0 for ever",
                  retention, having(days=COUNT)),
        Operation("PUT", "/retention", admin, "Set how many days sessions are kept",
                  set_retention, YES, shape({"days": _DAYS})),
        Operation("GET", "/webhooks", admin, "Who is told what", all_webhooks,
                  having(webhooks=listed(having(id=COUNT, url=TEXT, waiting=COUNT)))),
        Operation("POST", "/webhooks", admin, "Tell somebody; the secret is shown this once",
                  add_webhook, having(secret=TEXT), shape({"url": TEXT, "events": _EVENTS})),
        Operation("DELETE", "/webhooks/{webhook_id}", admin, "Tell them no more",
                  delete_webhook),
    ]  # fmt: skip


def save_test(request: Request) -> dict[str, Any]:
    return {"file": saved(request, request.path_params["session"], request.state.json["as"])}


def saved(request: Request, session_id: str, kind: str) -> str:
    """The file that the session was saved in as a test; on record. Raises NotThere, Unusable."""
    state = request.app.state
    with state.database.reading() as connection:
        found = reading.session(connection, session_id, state.prices, state.lengths())
    if found is None:
        raise NotThere("There is no such session, or it was deleted.")
    file = saving_tests.SAVE[kind](found, state.project)
    with state.database.writing() as connection:
        note(connection, request.state.person.name, f"saved as {kind}", session=session_id)
    return file


def export(request: Request) -> dict[str, Any]:
    state, session_id = request.app.state, str(request.path_params["session"])
    return erasing.export(state.database, session_id, state.prices, request.state.person.name)


async def erase(request: Request) -> dict[str, Any]:
    eraser: Eraser = request.app.state.eraser
    session_id = str(request.path_params["session"])
    erasure = await eraser.erase(session_id, request.state.person.name)
    return {
        "deleted": erasure.sessions,
        "files": list(erasure.files),
        "left": [{"file": file, "why": why} for file, why in erasure.left.items()],
    }


def retention(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        return {"days": keeping.retention_days(connection)}


def set_retention(request: Request) -> None:
    with request.app.state.database.writing() as connection:
        days, who = int(request.state.json["days"]), request.state.person.name
        keeping.set_retention(connection, days, who)


def all_webhooks(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        return {"webhooks": webhooks.webhooks(connection)}


def add_webhook(request: Request) -> dict[str, Any]:
    given, state, who = request.state.json, request.app.state, request.state.person.name
    return {
        "secret": webhooks.add(state.database, state.outside, given["url"], given["events"], who)
    }


def delete_webhook(request: Request) -> None:
    with request.app.state.database.writing() as connection:
        webhook_id, who = request.path_params["webhook_id"], request.state.person.name
        webhooks.delete(connection, webhook_id, who)
