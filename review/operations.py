"""Operations: what the API can do. One table makes both the routes and the OpenAPI document, so
neither can say what the other does not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from review.access import Role, route

PREFIX = "/api/v1"
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BIG: Schema = {"type": "integer", "minimum": 1, "maximum": (1 << 31) - 1}
ANY: Schema = {}
YES: Schema = {"type": "object", "properties": {"done": {"type": "boolean"}}, "required": ["done"]}
ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_REFUSALS = {
    400: "The request cannot be meant.",
    401: "No token, or one that is no longer good.",
    403: "The token's role does not reach.",
    404: "There is no such thing.",
    409: "It is not in a state for this.",
    413: "The body is too large.",
    422: "The values cannot be used.",
    503: "Redis or SQL is away; nothing is lost.",
}


@dataclass(frozen=True)
class Operation:
    """`answer` takes the request and gives plain data. What it takes is checked by its schema
    before, and lies in `request.state.json`; whole numbers in the path are named `..._id`."""

    method: str
    path: str
    role: Role
    summary: str
    answer: Callable[[Request], Any]
    gives: Schema = field(default_factory=lambda: YES)
    takes: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return 200

    @property
    def names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def route(self) -> Route:
        path = PREFIX + re.sub(r"{(\w+_id)}", r"{\1:int}", self.path)
        return route(path, self._endpoint, self.role, self.method)

    async def _endpoint(self, request: Request) -> Response:
        if self.takes is not None:
            check(request.state.json, self.takes)
        check_numbers(request.path_params)
        if inspect.iscoroutinefunction(self.answer):
            told = await self.answer(request)
        else:
            told = await run_in_threadpool(self.answer, request)
        return JSONResponse({"done": True} if told is None else told, self.status)

    def described(self) -> dict[str, Any]:
        """As OpenAPI 3.1 has it."""
        parameters = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": BIG if name.endswith("_id") else {"type": "string", "minLength": 1},
            }
            for name in self.names
        ]
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": dict(schema)}
            for name, schema in self.query.items()
        ]
        told: dict[str, Any] = {
            "summary": self.summary,
            "description": f"For the role {self.role.word} and those above it.",
            "operationId": self._id(),
            "parameters": parameters,
            "responses": {
                "200": _content("It is so.", self.gives),
                **{str(code): _content(words, ERROR) for code, words in _REFUSALS.items()},
            },
        }
        if self.takes is not None:
            told["requestBody"] = {"required": True, **_content("", self.takes)}
            del told["requestBody"]["description"]
        return told

    def _id(self) -> str:
        return self.method.lower() + re.sub(r"\W+", "_", self.path).rstrip("_")


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of all of them."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = operation.described()
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Session Logs",
            "version": "1",
            "description": (
                "Every conversation, message by message. Times are milliseconds since 1970, sums"
                " are in millionths, numbers of customers are masked. Lists are read by their"
                " cursors `older` and `newer`."
            ),
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def check(given: Any, schema: Schema) -> None:
    """Raises HTTPException 422, which names the first thing that is wrong."""
    try:
        jsonschema.validate(given, schema, cls=jsonschema.Draft7Validator)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path)) or "the body"
        raise HTTPException(422, f"{where}: {error.message[:200]}") from None


def check_numbers(params: Mapping[str, Any]) -> None:
    """No database takes larger ones."""
    if any(isinstance(value, int) and value >= 1 << 31 for value in params.values()):
        raise HTTPException(404, "There is no such thing.")


def shape(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def having(**members: Schema) -> Schema:
    """An object with these members, and perhaps others."""
    return {"type": "object", "properties": members, "required": list(members)}


def listed(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _content(words: str, schema: Schema) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": dict(schema)}}}
