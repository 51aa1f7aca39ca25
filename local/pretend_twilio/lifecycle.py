"""The life of a message after its 201: sending, sent, delivered; a callback for each step."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.papers import Papers
from local.pretend_twilio.rounds import Rounds
from local.pretend_twilio.store import Message, Store
from local.pretend_twilio.troubles import Posting
from local.pretend_twilio.webhooks import Courier, status_form


@dataclass(frozen=True)
class Step:
    after_ms: int
    status: str
    error_code: int | None = None


# To: how it ends. Twilio has no test numbers for this; these are ours.
_ENDINGS: dict[str, tuple[str, int | None]] = {
    "+15005550010": ("failed", 30008),
    "+15005550011": ("undelivered", 30003),
    "+15005550012": ("undelivered", 30005),
    "+15005550013": ("undelivered", 30006),
    "+15005550015": ("undelivered", 30007),
    "+15005550016": ("undelivered", 30034),
}
_STAYS_SENT = "+15005550014"


def steps(config: PretendConfig, to: str, fate: tuple[str, int] | None = None) -> list[Step]:
    """What will become of a message to this number; `queued` is where it already is.

    `fate` is how it ends whoever gets it.
    """
    status, code = fate or _ENDINGS.get(to, ("delivered", None))
    sending = Step(config.queued_ms, "sending")
    if status == "failed":  # it never leaves Twilio
        return [sending, Step(config.sending_ms, status, code)]
    sent = Step(config.sending_ms, "sent")
    if to == _STAYS_SENT:
        return [sending, sent]
    return [sending, sent, Step(config.sent_ms, status, code)]


class Lifecycle:
    """Lives the lives of all messages, each in a task of its own."""

    def __init__(
        self,
        config: PretendConfig,
        store: Store,
        courier: Courier,
        rounds: Rounds,
        chaos: Chaos,
        papers: Papers,
    ) -> None:
        self.config = config
        self.store = store
        self.courier = courier
        self.rounds = rounds
        self.chaos = chaos
        self.papers = papers

    def begin(self, message: Message) -> None:
        self.courier.start(self._live(message))

    async def _live(self, message: Message) -> None:
        reported: asyncio.Task[None] | None = None
        for step in steps(self.config, message.to, self.papers.of(message.sender).fate):
            await asyncio.sleep(step.after_ms / 1000)
            now = self.config.clock()
            message = self.store.change(
                message,
                status=step.status,
                error_code=step.error_code,
                updated=now,
                sent=now if step.status in ("sent", "failed") else message.sent,
            )
            if message.status_callback:
                reported = self._begin_report(message, reported)

    def _begin_report(
        self, message: Message, earlier: asyncio.Task[None] | None
    ) -> asyncio.Task[None] | None:
        """Reports wait for each other, except that those in trouble neither wait nor are waited
        for. Returns the one that the next has to wait for."""
        posting = self.chaos.next_callback()
        if posting.is_plain:
            return self.courier.start(self._report(posting, message, earlier))
        self.store.note(message, f"report of “{message.status}” {', '.join(posting.words)}")
        self.courier.start(self._report(posting, message, None))
        return earlier

    async def _report(
        self, posting: Posting, message: Message, earlier: asyncio.Task[None] | None
    ) -> None:
        """One callback, after the earlier one. A slow business delays reports, not delivery."""
        if earlier:
            await asyncio.wait({earlier})
        form = status_form(message, self.config.account_sid)
        await self.rounds.go(posting, message.sid, message, message.status_callback, form)
