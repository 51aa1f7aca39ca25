"""Makes the changes, one resource after the other, and says so as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from connectors.twilio_account import TwilioAccount
from local.import_number import files
from local.import_number.plan import ANSWERS, ASSISTANT, NUMBER, Change

Say = Callable[[str], None]


class Steps:
    """`number` is the one that is attached to assistants; `folder` holds their files."""

    def __init__(self, account: TwilioAccount, number: str, folder: Path, say: Say) -> None:
        self.account = account
        self.number = number
        self.folder = folder
        self.say = say

    async def make(self, changes: Iterable[Change]) -> None:
        """Raises as TwilioAccount does, and SettingsError for an assistant's file."""
        for (of, key), group in groupby(changes, key=lambda change: (change.of, change.id)):
            fields = {change.field: change.after for change in group}
            self.say(f"changing {of} {key} ...")
            if of == ASSISTANT:
                self._attach(key, bool(fields[ANSWERS]))
            elif of == NUMBER:
                await self.account.wire_number(key, {f: str(v) for f, v in fields.items()})
            else:
                await self.account.wire_service(key, fields)

    def _attach(self, assistant: str, belongs: bool) -> None:
        file = self.folder / f"{assistant}.yml"
        (files.attach if belongs else files.detach)(file, self.number)
