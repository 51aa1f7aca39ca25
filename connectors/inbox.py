"""The inbox: texts that were acknowledged and are not answered yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import structlog

from connectors import keys
from connectors.house_rules import REASONS, HouseRules
from connectors.ids import conversation_id, mask, sortable_id
from connectors.lanes import Lane
from connectors.sensitive import without_secrets
from connectors.session_life import session_keys
from connectors.store import Store
from connectors.wire import InboundText

SETTLE_AT_MOST_MS = 2_000
TEXTS_PER_TURN = 50

log = structlog.get_logger(__name__)


class Outcome(IntEnum):
    """What became of a text; see lua/accept.lua. False for one that was accepted before."""

    SEEN_BEFORE = 0
    WAITS = 1
    KEYWORD = 2
    REFUSED = 3


@dataclass(frozen=True)
class WaitingText:
    """An accepted text and its session; `accepted_ms` is Redis' time, milliseconds since 1970, or
    when Twilio got it, if it was found there later."""

    text: InboundText
    accepted_ms: int
    session: str

    @classmethod
    def read(cls, item: str) -> WaitingText:
        accepted_ms, session, text = item.split(" ", 2)
        return cls(InboundText(**json.loads(text)), int(accepted_ms), session)


class Inbox:
    """Accepts texts. `settle_ms` is how long after a text its customer may send more;
    `session_seconds` is how long a session with one of our numbers lasts."""

    def __init__(
        self,
        store: Store,
        *,
        settle_ms: int,
        session_seconds: Callable[[str], int],
        rules: HouseRules | None = None,
    ) -> None:
        self.store = store
        self.settle_ms = settle_ms
        self.session_seconds = session_seconds
        self.rules = rules or HouseRules()
        self.lane = Lane(store, "inbox", TEXTS_PER_TURN)
        self.outbox = Lane(store, "outbox", batch=1)

    async def accept(
        self, text: InboundText, sent_seconds: float = 0, *, refuse: str = ""
    ) -> Outcome:
        """Keep a text, in one atomic step, and do what it asks for itself (STOP, START, HELP).

        With `refuse`, one of REASONS, it only goes on record.

        Card numbers and the like are taken out of it first: what is never kept cannot leak from
        Redis, its files, the tracker, the session log or a model's provider.
        `sent_seconds` is when it was sent, if that is long ago.
        Raises StoreUnavailable: then the sender must be told to come again.
        """
        text = replace(text, body=without_secrets(text.body))
        while True:
            id_key = await self.store.id_key()
            code, detail = await self._accept(text, id_key, int(sent_seconds * 1000), refuse)
            if code >= 0:
                self._tell(text, Outcome(code), str(detail))
                return Outcome(code)
            self.store.forget_id_key()

    def _tell(self, text: InboundText, outcome: Outcome, detail: str) -> None:
        who = {"sid": text.sid, "customer": mask(text.customer)}
        if outcome is Outcome.KEYWORD:
            log.info("sms.keyword", **who, asks_for=detail)
        elif outcome is Outcome.REFUSED:
            to = mask(text.business)
            log.warning("sms.not_answered", **who, to=to, reason=detail, do=REASONS[detail])

    async def _accept(
        self, text: InboundText, id_key: str, sent_ms: int, refuse: str
    ) -> tuple[int, str]:
        conversation = conversation_id(id_key, text.business, text.customer)
        code, detail = await self.store.step(
            "accept",
            [
                *session_keys(conversation),
                keys.seen(text.sid),
                self.lane.items(conversation),
                self.lane.due,
                self.lane.leases,
                keys.ID_KEY,
                keys.CONSENT,
                keys.limits(conversation),
                self.outbox.items(conversation),
                self.outbox.due,
            ],
            [
                conversation,
                json.dumps(vars(text)),
                keys.SEEN_SECONDS,
                self.session_seconds(text.business),
                self.settle_ms,
                SETTLE_AT_MOST_MS,
                sortable_id(),
                text.business,
                text.customer,
                self.lane.wake,
                id_key,
                *self.rules.for_step(text, conversation, sent_ms, refuse),
            ],
        )
        return int(code), detail
