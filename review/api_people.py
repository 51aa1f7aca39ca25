"""Operations for administrators: people, tokens, and what they all did."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from review import auditing
from review.access import Role
from review.accounts import Accounts
from review.operations import COUNT, TEXT, YES, Operation, Schema, having, listed, shape
from review.tokens import Tokens

_ROLE: Schema = {"enum": [role.word for role in Role if role > Role.NOBODY]}
_PERSON: Schema = having(id=COUNT, name=TEXT, role=_ROLE)


def operations() -> list[Operation]:
    admin = Role.ADMINISTRATOR
    return [
        Operation("GET", "/people", admin, "Who may sign in", people,
                  having(people=listed(_PERSON))),
        Operation("POST", "/people", admin, "Add a person", add_person, YES,
                  shape({"name": TEXT, "password": TEXT, "role": _ROLE})),
        Operation("PATCH", "/people/{person_id}", admin, "Change role or password, or send away",
                  change_person, YES,
                  shape({}, role=_ROLE, password=TEXT, disabled={"type": "boolean"})),
        Operation("GET", "/tokens", admin, "Tokens, without their secrets", tokens,
                  having(tokens=listed(having(id=COUNT, name=TEXT, role=_ROLE)))),
        Operation("POST", "/tokens", admin, "Make a token; it is shown this once", new_token,
                  having(token=TEXT), shape({"name": TEXT, "role": _ROLE})),
        Operation("DELETE", "/tokens/{token_id}", admin, "Revoke a token", revoke_token),
        Operation("GET", "/audit", admin, "Who did what, the newest first", audit,
                  having(audit=listed(having(at_ms=COUNT, who=TEXT, what=TEXT)), older=TEXT),
                  query={"page": TEXT}),
    ]  # fmt: skip


def people(request: Request) -> dict[str, Any]:
    return {"people": [dict(row) for row in _accounts(request).people()]}


def add_person(request: Request) -> None:
    given = request.state.json
    _accounts(request).add(
        given["name"], given["password"], Role.of(given["role"]), by=request.state.person.name
    )


def change_person(request: Request) -> None:
    given = request.state.json
    _accounts(request).change(
        request.path_params["person_id"],
        by=request.state.person.name,
        role=Role.of(given["role"]) if "role" in given else None,
        password=given.get("password"),
        disabled=given.get("disabled"),
    )


def tokens(request: Request) -> dict[str, Any]:
    return {"tokens": [dict(row) for row in _tokens(request).all()]}


def new_token(request: Request) -> dict[str, Any]:
    given = request.state.json
    made = _tokens(request).make(
        given["name"], Role.of(given["role"]), by=request.state.person.name
    )
    return {"token": made}


def revoke_token(request: Request) -> None:
    _tokens(request).revoke(request.path_params["token_id"], by=request.state.person.name)


def audit(request: Request) -> dict[str, Any]:
    with request.app.state.database.reading() as connection:
        lines, older = auditing.page(connection, request.query_params.get("page", ""))
    return {"audit": lines, "older": older}


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens
