"""The API: all operations, and the document that describes them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from review import api_desk, api_judging, api_people, api_privacy, api_sessions
from review.access import Role
from review.operations import ANY, Operation, document


def operations() -> list[Operation]:
    return [
        *api_sessions.operations(),
        *api_judging.operations(),
        *api_desk.operations(),
        *api_people.operations(),
        *api_privacy.operations(),
        Operation("GET", "/openapi.json", Role.VIEWER, "This document", _document, gives=ANY),
    ]


def routes() -> list[Route]:
    return [operation.route() for operation in operations()]


def _document(request: Request) -> dict[str, Any]:
    return document(operations())
