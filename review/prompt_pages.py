"""A prompt's page: what a model was sent, to read, to copy, and as a file."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from review import prompt_view, prompts
from review.access import Role, route
from review.paper import is_fragment, render
from review.prompts import Prompt


def routes() -> list[Route]:
    return [
        route("/sessions/{session}/prompts/{prompt}", page, Role.VIEWER),
        route("/sessions/{session}/prompts/{prompt}/prompt.json", file, Role.VIEWER),
    ]


def page(request: Request) -> Response:
    """Alone, or as the part of a session's page that a bubble opens to."""
    template = "_prompt.html" if is_fragment(request) else "prompt.html"
    return render(
        request,
        template,
        title="Prompt",
        session_id=request.path_params["session"],
        prompt=prompt_view.view(read(request)),
    )


def file(request: Request) -> Response:
    """The request's body as it left."""
    found = read(request)
    name = f"prompt-{found.id}.json"
    return Response(
        found.body,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def read(request: Request) -> Prompt:
    """The prompt of the address. Raises NotThere."""
    given = request.path_params
    with request.app.state.database.reading() as connection:
        return prompts.prompt(connection, given["session"], given["prompt"])
