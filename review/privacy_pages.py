"""A customer's data: taken along, or deleted everywhere. A session saved as a test."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from review import api_privacy, erasing, saving_tests
from review.access import Role, route
from review.erasing import Eraser
from review.paper import is_fragment, render


def routes() -> list[Route]:
    return [
        route("/sessions/{id}/test", save_test, Role.REVIEWER, "POST"),
        route("/sessions/{id}/customer/export", export, Role.ADMINISTRATOR, "POST"),
        route("/sessions/{id}/customer/delete", delete, Role.ADMINISTRATOR, "POST"),
    ]


def save_test(request: Request) -> Response:
    """As a story for `rasa test` or a case for `make eval`; says where it stands."""
    kind = str(request.state.form.get("as", ""))
    if kind not in saving_tests.SAVE:
        raise HTTPException(422, f"A session is saved as {' or '.join(saving_tests.SAVE)}.")
    session_id = str(request.path_params["id"])
    file = api_privacy.saved(request, session_id, kind)
    if is_fragment(request):
        return PlainTextResponse(f"Saved in {file}")
    return RedirectResponse(f"/sessions/{session_id}", 303)


def export(request: Request) -> Response:
    state, session_id = request.app.state, str(request.path_params["id"])
    told = erasing.export(state.database, session_id, state.prices, request.state.person.name)
    return JSONResponse(
        told, headers={"Content-Disposition": 'attachment; filename="customer.json"'}
    )


async def delete(request: Request) -> Response:
    """What stays is that they opted out; saved tests that could not be changed are named."""
    if request.state.form.get("sure") != "delete":
        raise HTTPException(422, "Type delete, if you are sure.")
    eraser: Eraser = request.app.state.eraser
    erasure = await eraser.erase(str(request.path_params["id"]), request.state.person.name)
    if not erasure.files and not erasure.left:
        return RedirectResponse("/", 303)
    return render(request, "deleted.html", title="Deleted", erasure=erasure)
