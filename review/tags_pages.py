"""Tags: all there are, and how many sessions have each; renamed, recoloured, deleted."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review.access import Role, route
from review.judging import COLOURS, Judge
from review.judging import tags as all_tags
from review.paper import render


def routes() -> list[Route]:
    return [
        route("/tags", tags, Role.VIEWER),
        route("/tags/{id:int}", change, Role.REVIEWER, "POST"),
        route("/tags/{id:int}/delete", delete, Role.REVIEWER, "POST"),
    ]


def tags(request: Request) -> Response:
    with request.app.state.database.reading() as connection:
        found = all_tags(connection)
    may_change = request.state.person.role >= Role.REVIEWER
    return render(
        request, "tags.html", title="Tags", tags=found, colours=COLOURS, may_change=may_change
    )


def change(request: Request) -> Response:
    form = request.state.form
    with request.app.state.database.writing() as connection:
        judge = Judge(connection, request.state.person.name)
        judge.change_tag(
            request.path_params["id"], str(form.get("name", "")), str(form.get("colour", ""))
        )
    return RedirectResponse("/tags", 303)


def delete(request: Request) -> Response:
    with request.app.state.database.writing() as connection:
        Judge(connection, request.state.person.name).delete_tag(request.path_params["id"])
    return RedirectResponse("/tags", 303)
