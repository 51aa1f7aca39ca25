"""Operations for operators: the desk, and dead letters."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from connectors.dead_letters import DeadLetter, DeadLetters, Retry
from review import refusals
from review.access import Role
from review.desk import LONGEST_ANSWER, Desk
from review.errors import NotThere, Unusable
from review.letters_pages import name_of
from review.operations import COUNT, TEXT, Operation, Schema, having, listed, shape

_ANSWER: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_ANSWER}


def operations() -> list[Operation]:
    operator = Role.OPERATOR
    return [
        Operation("GET", "/desk", operator, "Conversations that wait for a person, or are held",
                  waiting, having(conversations=listed(having(session=TEXT, state=TEXT)))),
        Operation("POST", "/sessions/{session}/take", operator, "Answer instead of the assistant",
                  take),
        Operation("POST", "/sessions/{session}/answer", operator,
                  "Send a text as the business, through the gate", answer,
                  having(parts=listed(TEXT)), shape({"text": _ANSWER})),
        Operation("POST", "/sessions/{session}/give-back", operator,
                  "Let the assistant answer again", give_back),
        Operation("GET", "/dead-letters", operator, "Texts that got only the plain sentence",
                  letters, having(letters=listed(having(id=TEXT, reason=TEXT, texts=COUNT)))),
        Operation("POST", "/dead-letters/{letter}/retry", operator, "Try one again", retry),
        Operation("GET", "/refused", operator, "What was refused and why, newest first", refused,
                  having(refused=listed(having(at_ms=COUNT, reason=TEXT, do=TEXT)), older=TEXT),
                  query={"page": TEXT, "reason": TEXT}),
    ]  # fmt: skip


def refused(request: Request) -> dict[str, Any]:
    asked = request.query_params
    with request.app.state.database.reading() as connection:
        found, older = refusals.page(connection, asked.get("page", ""), asked.get("reason", ""))
    return {"refused": found, "older": older}


async def waiting(request: Request) -> dict[str, Any]:
    return {"conversations": list(await _desk(request).waiting())}


async def take(request: Request) -> None:
    await _desk(request).take(_session(request), request.state.person.name)


async def answer(request: Request) -> dict[str, Any]:
    who, text = request.state.person.name, request.state.json["text"]
    try:
        return {"parts": list(await _desk(request).answer(_session(request), who, text))}
    except ValueError as error:
        raise Unusable(str(error)) from None


async def give_back(request: Request) -> None:
    await _desk(request).give_back(_session(request), request.state.person.name)


async def letters(request: Request) -> dict[str, Any]:
    found = await DeadLetters(request.app.state.store).all()
    return {"letters": [_told(letter) for letter in found]}


async def retry(request: Request) -> None:
    dead = DeadLetters(request.app.state.store)
    wanted = request.path_params["letter"]
    letter = next((each for each in await dead.all() if name_of(each) == wanted), None)
    if letter is None:
        raise NotThere("There is no such dead letter, or somebody else tried it again.")
    if await dead.retry(letter) is Retry.SESSION_OVER:
        raise Unusable("Too late: the session is over, and nobody is texted first.")


def _told(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": name_of(letter),
        "conversation": letter.conversation,
        "reason": letter.reason,
        "at_ms": round(letter.at * 1000),
        "texts": len(letter.items),
    }


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _session(request: Request) -> str:
    return str(request.path_params["session"])
