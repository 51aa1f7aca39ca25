"""Standings: what is known about our numbers' 10DLC approval, kept in Redis and in this process.

Every process reads Redis often, and one of them at a time asks Twilio now and then. What is asked
for at every send is in memory.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict

import structlog

from connectors import keys
from connectors.errors import SendRefused, SendUnavailable, SendUnknown, StoreUnavailable
from connectors.ids import mask, number_id
from connectors.store import Store
from connectors.ten_dlc import (
    NEVER_LOOKED,
    TELLING,
    Filtering,
    Standing,
    Verdict,
    judge,
    told_by_carriers,
)
from connectors.twilio_account import TwilioAccount
from connectors.wiring import astray

log = structlog.get_logger(__name__)

READ_EVERY_SECONDS = 30.0
ASK_EVERY_SECONDS = 900
ASK_AGAIN_SECONDS = 60  # after Twilio could not be asked
# What Twilio said longer ago than this is no knowledge any more.
BELIEVED_SECONDS = 86_400.0
# A delivery report counts so long; then texts go out again, and if carriers still refuse them the
# next report says so.
FLAG_SECONDS = 3600.0

_REGISTRATION = "registration"
_FLAG = "flag:"


class Standings:
    """`why_not` is for who sends; `noticed` is for who reads delivery reports."""

    def __init__(
        self,
        store: Store,
        account: TwilioAccount,
        numbers: Callable[[], Iterable[str]],
        strict: bool,
        public_url: str = "",
    ) -> None:
        """`numbers` are ours by now. `strict`: one that is known not to be approved is silent.
        With `public_url` it is looked whether their texts come there, too."""
        self.store = store
        self.account = account
        self.numbers = numbers
        self.strict = strict
        self.public_url = public_url
        self._astray: dict[str, str | None] = {}
        self._known: dict[str, Standing] = {}

    def of(self, number: str) -> Standing:
        """What is known about one of our numbers. Memory only."""
        return self._known.get(number, NEVER_LOOKED)

    def why_not(self, number: str) -> Standing | None:
        """Why nothing may be sent from a number: it is known not to be approved, and we are
        strict. None if it may send. Memory only."""
        standing = self.of(number)
        refused = self.strict and standing.verdict is Verdict.REFUSED
        return standing if refused else None

    async def run(self) -> None:
        """Keep what is known fresh, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(READ_EVERY_SECONDS)

    async def refresh(self) -> None:
        """Ask Twilio if it is time, and read what is known. Whatever fails is only logged."""
        try:
            if await self.store.put_once(keys.TEN_DLC_ASKED, "1", ASK_AGAIN_SECONDS):
                await self._ask()
                await self.store.expire(keys.TEN_DLC_ASKED, ASK_EVERY_SECONDS)
        except (StoreUnavailable, SendRefused, SendUnavailable, SendUnknown) as error:
            log.warning("ten_dlc.not_asked", reason=str(error), again_in_seconds=ASK_AGAIN_SECONDS)
        try:
            for number in self.numbers():
                self._learn(number, await self.recall(number))
        except StoreUnavailable as error:
            log.warning("ten_dlc.not_read", reason=str(error))

    async def noticed(self, number: str, error_code: str) -> None:
        """A delivery report about a text from one of our numbers. Raises StoreUnavailable.

        An error code that tells of the registration counts at once.
        """
        code = int(error_code) if error_code.isascii() and error_code.isdigit() else 0
        if code not in TELLING or number not in self.numbers():
            return
        before = await self.recall(number)
        await self._keep(number, f"{_FLAG}{code}", str(time.time()))
        self._learn(number, await self.recall(number))
        if before.code != code:
            await self.store.forget(keys.TEN_DLC_ASKED)  # whoever looks next asks Twilio

    async def recall(self, number: str) -> Standing:
        """What Redis remembers about a number. Raises StoreUnavailable."""
        fields = await self.store.fields(await self._key(number))
        filtering = await self.store.fields(keys.filtered(await self._id(number)))
        return told_by_carriers(_registration(fields), _flags(fields), _filtering(filtering))

    async def _ask(self) -> None:
        for number, found in (await self.account.registrations(self.numbers())).items():
            told = {**asdict(judge(found)), "at": time.time()}
            await self._keep(number, _REGISTRATION, json.dumps(told))
            self._warn_of(number, astray(found, self.public_url) if self.public_url else None)

    def _warn_of(self, number: str, trouble: str | None) -> None:
        """Texts that go elsewhere leave no other trace here."""
        if trouble and trouble != self._astray.get(number):
            log.warning(
                "number.texts_go_elsewhere",
                number=mask(number),
                seen=trouble,
                do="make import-number lets them come here",
            )
        self._astray[number] = trouble

    async def _keep(self, number: str, field: str, value: str) -> None:
        key = await self._key(number)
        await self.store.put_field(key, field, value, keys.TEN_DLC_SECONDS)

    async def _key(self, number: str) -> str:
        return keys.ten_dlc(await self._id(number))

    async def _id(self, number: str) -> str:
        return number_id(await self.store.id_key(), number)

    def _learn(self, number: str, standing: Standing) -> None:
        before = self._known.get(number)
        self._known[number] = standing
        if before and (before.verdict, before.reason) == (standing.verdict, standing.reason):
            return
        answers = self.why_not(number) is None
        well = standing.verdict is Verdict.APPROVED and not standing.do
        tell = log.info if well else log.warning if answers else log.error
        tell(
            "ten_dlc.standing",
            number=mask(number),
            verdict=standing.verdict.value,
            reason=standing.reason,
            seen=str(standing),
            answers=answers,
        )


def _registration(fields: dict[str, str]) -> Standing:
    try:
        told = json.loads(fields[_REGISTRATION])
        if time.time() - told.pop("at") > BELIEVED_SECONDS:
            return NEVER_LOOKED
        return Standing(**{**told, "verdict": Verdict(told["verdict"])})
    except (AttributeError, KeyError, TypeError, ValueError):
        return NEVER_LOOKED  # nothing is there, or another version of us wrote it


def _flags(fields: dict[str, str]) -> frozenset[int]:
    since = time.time() - FLAG_SECONDS
    return frozenset(
        int(name.removeprefix(_FLAG))
        for name, at in fields.items()
        if name.startswith(_FLAG) and float(at) > since
    )


def _filtering(fields: dict[str, str]) -> Filtering:
    return Filtering(int(fields.get("filtered", 0)), int(fields.get("reports", 0)))
