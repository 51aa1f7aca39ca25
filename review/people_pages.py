"""People and tokens: who may sign in, and which programs may ask. For administrators."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review.access import Role, route
from review.accounts import Accounts
from review.paper import render
from review.tokens import Tokens
from review.wording import long

ROLES = tuple(role.word for role in Role if role is not Role.NOBODY)


def routes() -> list[Route]:
    return [
        route("/people", people, Role.ADMINISTRATOR),
        route("/people", add, Role.ADMINISTRATOR, "POST"),
        route("/people/{id:int}", change, Role.ADMINISTRATOR, "POST"),
        route("/tokens", new_token, Role.ADMINISTRATOR, "POST"),
        route("/tokens/{id:int}/revoke", revoke, Role.ADMINISTRATOR, "POST"),
    ]


def people(request: Request) -> Response:
    return _page(request)


def add(request: Request) -> Response:
    form = request.state.form
    _accounts(request).add(
        str(form.get("name", "")), str(form.get("password", "")), _role(form), by=_who(request)
    )
    return _back()


def change(request: Request) -> Response:
    """One thing at a time: a role, a password, or whether they may sign in."""
    form = request.state.form
    _accounts(request).change(
        request.path_params["id"],
        _who(request),
        role=_role(form) if "role" in form else None,
        password=str(form["password"]) if "password" in form else None,
        disabled=form["disabled"] == "1" if "disabled" in form else None,
    )
    return _back()


def new_token(request: Request) -> Response:
    """The page once more, with the token: it is not shown again."""
    form = request.state.form
    token = _tokens(request).make(str(form.get("name", "")), _role(form), by=_who(request))
    return _page(request, token)


def revoke(request: Request) -> Response:
    _tokens(request).revoke(request.path_params["id"], _who(request))
    return _back()


def _page(request: Request, token: str = "") -> Response:
    return render(
        request,
        "people.html",
        title="People",
        people=[
            {**person, "since": long(person["created_ms"])}
            for person in _accounts(request).people()
        ],
        tokens=[_token(token) for token in _tokens(request).all()],
        new_token=token,
        roles=ROLES,
    )


def _token(token: Any) -> dict[str, Any]:
    return {
        **token,
        "since": long(token["created_ms"]),
        "used": long(token["used_ms"]) if token["used_ms"] else "never",
    }


def _role(form: Any) -> Role:
    word = str(form.get("role", ""))
    if word not in ROLES:
        raise HTTPException(422, f"A role is one of {', '.join(ROLES)}.")
    return Role.of(word)


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


def _tokens(request: Request) -> Tokens:
    tokens: Tokens = request.app.state.tokens
    return tokens


def _who(request: Request) -> str:
    return str(request.state.person.name)


def _back() -> Response:
    return RedirectResponse("/people", 303)
