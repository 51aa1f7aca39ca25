"""`make dead-letters`: what could not be answered, and `RETRY=all` or `RETRY=2` to try again."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime

from connectors.dead_letters import DeadLetter, DeadLetters, Retry
from connectors.errors import SettingsError, StoreUnavailable
from connectors.settings import Settings
from connectors.store import Store

OUTCOMES = {
    Retry.IN_THE_INBOX: "in the inbox again",
    Retry.TAKEN_BY_ANOTHER: "somebody else has taken it meanwhile",
    Retry.SESSION_OVER: "too late: the session is over",
}


async def show(letters: list[DeadLetter]) -> None:
    """One line each; the texts themselves are for the session, not for a terminal."""
    if not letters:
        print("no dead letters: every text was answered")
    for number, letter in enumerate(letters, 1):
        at = datetime.fromtimestamp(letter.at).strftime("%Y-%m-%d %H:%M:%S")
        texts = f"{len(letter.items)} text{'s' if len(letter.items) > 1 else ''}"
        print(f"{number}  {at}  {texts}  {letter.conversation}  {letter.reason}")


def chosen(letters: list[DeadLetter], which: str) -> list[DeadLetter]:
    """Raises ValueError, which says what may be chosen."""
    if which == "all":
        return letters
    if not which.isdigit() or not 1 <= int(which) <= len(letters):
        raise ValueError(
            f"RETRY is {which!r}; it must be all, or a number from 1 to {len(letters)}"
        )
    return [letters[int(which) - 1]]


async def retry(dead: DeadLetters, letters: list[DeadLetter]) -> None:
    for letter in letters:
        print(f"{letter.conversation}  {OUTCOMES[await dead.retry(letter)]}")


async def run(which: str) -> int:
    store = Store.connect(Settings.load().redis_url)
    dead = DeadLetters(store)
    try:
        letters = await dead.all()
        if which:
            await retry(dead, chosen(letters, which))
        else:
            await show(letters)
    except (StoreUnavailable, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        await store.close()
    return 0


def main() -> int:
    try:
        return asyncio.run(run(sys.argv[1] if len(sys.argv) > 1 else ""))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
