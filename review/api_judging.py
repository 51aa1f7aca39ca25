"""Operations that judge: status, notes, tags, saved views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from review import judging, saved_views
from review.access import Role
from review.judging import KINDS, STATUSES, Judge
from review.operations import COUNT, TEXT, YES, Operation, Schema, having, listed, shape

MOST_AT_ONCE = 500
_STATUS: Schema = {"enum": list(STATUSES)}
_TAG: Schema = having(id=COUNT, name=TEXT, colour=TEXT, uses=COUNT)
_MESSAGE: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}


def operations() -> list[Operation]:
    viewer, reviewer = Role.VIEWER, Role.REVIEWER
    some = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_AT_ONCE}
    made = having(id=COUNT)
    return [
        Operation(
            "POST", "/sessions/{session}/review", reviewer, "Set the review status",
            review, YES, shape({"status": _STATUS}),
        ),
        Operation(
            "DELETE", "/sessions/{session}/review", reviewer, "Undo the last review status",
            undo, having(status=_STATUS),
        ),
        Operation(
            "POST", "/sessions/{session}/notes", reviewer,
            "Flag, comment, rate, write the ideal answer, correct the intent", add_note, made,
            shape({"kind": {"enum": list(KINDS)}}, value=TEXT, message=_MESSAGE),
        ),
        Operation(
            "DELETE", "/sessions/{session}/notes/{note_id}", reviewer, "Take a note back", unnote
        ),
        Operation(
            "POST", "/sessions/{session}/tags", reviewer, "Tag a session; new tags are made", tag,
            made, shape({"name": TEXT}),
        ),
        Operation(
            "DELETE", "/sessions/{session}/tags/{tag_id}", reviewer, "Take a tag off", untag
        ),
        Operation(
            "POST", "/bulk", reviewer, "Set the status of many sessions, or tag them", bulk,
            having(changed=COUNT),
            shape({"sessions": some, "do": {"enum": [*STATUSES, "tag"]}}, tag=TEXT),
        ),
        Operation("GET", "/tags", viewer, "All tags", all_tags, having(tags=listed(_TAG))),
        Operation(
            "PATCH", "/tags/{tag_id}", reviewer, "Rename or recolour a tag", change_tag, YES,
            shape({"name": TEXT, "colour": {"enum": list(judging.COLOURS)}}),
        ),
        Operation("DELETE", "/tags/{tag_id}", reviewer, "Delete a tag everywhere", delete_tag),
        Operation(
            "GET", "/views", viewer, "Saved filters, one's own and shared ones", all_views,
            having(views=listed(having(id=COUNT, name=TEXT, query=TEXT))),
        ),
        Operation(
            "POST", "/views", viewer, "Save a filter", save_view, having(query=TEXT),
            shape({"name": TEXT, "query": TEXT}, shared={"type": "boolean"}),
        ),
        Operation("DELETE", "/views/{view_id}", viewer, "Delete a saved filter", delete_view),
    ]  # fmt: skip


def judged(request: Request, do: Callable[[Judge], Any]) -> Any:
    """One judgement in a transaction of its own."""
    with request.app.state.database.writing() as connection:
        return do(Judge(connection, request.state.person.name))


def review(request: Request) -> None:
    status = request.state.json["status"]
    judged(request, lambda judge: judge.review(_session(request), status))


def undo(request: Request) -> dict[str, Any]:
    return {"status": judged(request, lambda judge: judge.undo_review(_session(request)))}


def add_note(request: Request) -> dict[str, Any]:
    given = request.state.json
    kind, value, message = given["kind"], given.get("value", ""), int(given.get("message", 0))
    return {"id": judged(request, lambda j: j.note(_session(request), kind, value, message))}


def unnote(request: Request) -> None:
    note_id = request.path_params["note_id"]
    judged(request, lambda judge: judge.unnote(_session(request), note_id))


def tag(request: Request) -> dict[str, Any]:
    name = request.state.json["name"]
    return {"id": judged(request, lambda judge: judge.tag(_session(request), name))}


def untag(request: Request) -> None:
    tag_id = request.path_params["tag_id"]
    judged(request, lambda judge: judge.untag(_session(request), tag_id))


def bulk(request: Request) -> dict[str, Any]:
    given = request.state.json
    sessions, do, name = given["sessions"], given["do"], given.get("tag", "")
    return {"changed": judged(request, lambda judge: judge.bulk(sessions, do, name))}


def all_tags(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        return {"tags": judging.tags(connection)}


def change_tag(request: Request) -> None:
    given, tag_id = request.state.json, request.path_params["tag_id"]
    judged(request, lambda judge: judge.change_tag(tag_id, given["name"], given["colour"]))


def delete_tag(request: Request) -> None:
    judged(request, lambda judge: judge.delete_tag(request.path_params["tag_id"]))


def all_views(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        return {"views": saved_views.of(connection, request.state.person.name)}


def save_view(request: Request) -> dict[str, Any]:
    given, who = request.state.json, request.state.person
    # What everybody sees is for those who judge.
    shared = bool(given.get("shared")) and who.role >= Role.REVIEWER
    with request.app.state.database.writing() as connection:
        query = given["query"].lstrip("?")
        kept = saved_views.save(connection, who.name, given["name"], query, shared=shared)
        return {"query": kept}


def delete_view(request: Request) -> None:
    who, view_id = request.state.person.name, request.path_params["view_id"]
    with request.app.state.database.writing() as connection:
        saved_views.forget(connection, who, view_id)


def _session(request: Request) -> str:
    return str(request.path_params["session"])
