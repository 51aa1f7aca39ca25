"""The inbox: texts that were acknowledged and are not answered yet."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from connectors import keys
from connectors.ids import conversation_id, sortable_id
from connectors.lanes import Lane
from connectors.sensitive import without_secrets
from connectors.session_life import session_keys
from connectors.store import Store
from connectors.wire import InboundText

SETTLE_AT_MOST_MS = 2_000
TEXTS_PER_TURN = 50


@dataclass(frozen=True)
class WaitingText:
    """An accepted text and its session; `accepted_ms` is Redis' time, milliseconds since 1970."""

    text: InboundText
    accepted_ms: int
    session: str

    @classmethod
    def read(cls, item: str) -> WaitingText:
        accepted_ms, session, text = item.split(" ", 2)
        return cls(InboundText(**json.loads(text)), int(accepted_ms), session)


class Inbox:
    """Accepts texts. `settle_ms` is how long after a text its customer may send more."""

    def __init__(self, store: Store, *, settle_ms: int, session_ttl_seconds: int) -> None:
        self.store = store
        self.settle_ms = settle_ms
        self.session_ttl_seconds = session_ttl_seconds
        self.lane = Lane(store, "inbox", TEXTS_PER_TURN)

    async def note(self, text: InboundText) -> bool:
        """Remember a text that will not be answered; False if it was accepted or noted before."""
        return await self.store.put_once(keys.seen(text.sid), "", keys.SEEN_SECONDS)

    async def accept(self, text: InboundText) -> bool:
        """Keep a text, in one atomic step; False if its MessageSid was accepted before.

        Card numbers and the like are taken out of it first: what is never kept cannot leak from
        Redis, its files, the tracker, the session log or a model's provider.
        Raises StoreUnavailable: then the sender must be told to come again.
        """
        text = replace(text, body=without_secrets(text.body))
        while True:
            id_key = await self.store.id_key()
            answer = await self._accept(text, id_key)
            if answer >= 0:
                return bool(answer)
            self.store.forget_id_key()

    async def _accept(self, text: InboundText, id_key: str) -> int:
        conversation = conversation_id(id_key, text.business, text.customer)
        answer = await self.store.step(
            "accept",
            [
                *session_keys(conversation),
                keys.seen(text.sid),
                self.lane.items(conversation),
                self.lane.due,
                self.lane.leases,
                keys.ID_KEY,
            ],
            [
                conversation,
                json.dumps(asdict(text)),
                keys.SEEN_SECONDS,
                self.session_ttl_seconds,
                self.settle_ms,
                SETTLE_AT_MOST_MS,
                sortable_id(),
                text.business,
                text.customer,
                self.lane.wake,
                id_key,
            ],
        )
        return int(answer)
