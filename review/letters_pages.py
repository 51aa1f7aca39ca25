"""Dead letters: texts that got only the plain sentence, and trying them again."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from connectors.dead_letters import DeadLetter, DeadLetters, Retry
from connectors.inbox import WaitingText
from review.access import Role, route
from review.paper import render
from review.wording import long

_TOLD = {
    Retry.IN_THE_INBOX: "It is in the inbox again; the answer goes out as usual.",
    Retry.TAKEN_BY_ANOTHER: "Somebody else was faster: it is no dead letter any more.",
    Retry.SESSION_OVER: "Its session is over, and nobody is texted who did not text first.",
}


def routes() -> list[Route]:
    return [
        route("/dead-letters", letters, Role.OPERATOR),
        route("/dead-letters/{letter}/retry", retry, Role.OPERATOR, "POST"),
    ]


async def letters(request: Request) -> Response:
    kept = await DeadLetters(request.app.state.store).all()
    told = request.query_params.get("told", "")
    note = {"look": "", "words": _TOLD[Retry[told]]} if told in Retry.__members__ else None
    return render(
        request,
        "letters.html",
        title="Dead letters",
        letters=[_shown(letter) for letter in reversed(kept)],
        note=note,
    )


async def retry(request: Request) -> Response:
    office = DeadLetters(request.app.state.store)
    wanted = request.path_params["letter"]
    letter = next((one for one in await office.all() if name_of(one) == wanted), None)
    outcome = await office.retry(letter) if letter else Retry.TAKEN_BY_ANOTHER
    return RedirectResponse(f"/dead-letters?told={outcome.name}", 303)


def _shown(letter: DeadLetter) -> dict[str, object]:
    texts = [WaitingText.read(item) for item in letter.items]
    return {
        "name": name_of(letter),
        "when": long(int(letter.at * 1000)),
        "reason": letter.reason,
        "session": texts[-1].session if texts else "",
        "bodies": [text.text.body for text in texts],
    }


def name_of(letter: DeadLetter) -> str:
    """What an address calls it; its own text is its only identity."""
    return hashlib.sha256(letter.write().encode()).hexdigest()[:24]
