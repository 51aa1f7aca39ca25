"""What a model may know of a session: its transcript, however little of it Rasa sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from rasa_sdk import Tracker

from actions.conversation import BYTES_PER_TOKEN
from connectors import keys
from connectors.assistant import Assistant
from connectors.errors import StoreUnavailable
from connectors.lanes import Lane
from connectors.session_life import session_keys
from connectors.store import Store
from connectors.transcript import Transcripts, not_committed

log = structlog.get_logger(__name__)

# So full of what fits, and the oldest part of it begins to go into the summary: a slow summary
# still comes before anything is left out.
NEARLY_FULL = 0.75


@dataclass(frozen=True)
class Known:
    """`events` are a session's last ones, as `conversation` reads them; `summary` tells what was
    said before them; `nearly_full` says that it is time to summarize more. `session` is the live
    one, "" if there is none yet, or nobody knows."""

    events: Sequence[Any]
    summary: str = ""
    nearly_full: bool = False
    session: str = ""


class Memory:
    """Reads what is known, and asks for summaries (see summary)."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transcripts = Transcripts(store)
        self.lane = Lane(store, keys.SUMMARIES, batch=1)

    async def of(self, tracker: Tracker, assistant: Assistant) -> Known:
        """As much as the assistant's history_tokens hold. Without Redis, what Rasa sees."""
        shown: list[Mapping[str, Any]] = list(tracker.events)
        room = assistant.history_tokens * BYTES_PER_TOKEN
        try:
            kept = await self.transcripts.read(tracker.sender_id, room)
        except StoreUnavailable as error:
            log.warning("memory.unreachable", reason=str(error), then="Rasa's last turns must do")
            return Known(shown)
        return Known(
            [*kept.events, *not_committed(shown, kept.last)],
            kept.summary,
            nearly_full=kept.older or kept.size > room * NEARLY_FULL,
            session=kept.session,
        )

    async def ask_for_summary(self, conversation: str) -> None:
        """Once the customer is answered. Never raises: the next turn asks again."""
        lane = self.lane
        try:
            await self.store.step(
                "fold_due",
                [*session_keys(conversation), lane.items(conversation), lane.due, lane.leases],
                [conversation, lane.wake],
            )
        except StoreUnavailable as error:
            log.warning("memory.unreachable", reason=str(error), then="the next turn asks again")
