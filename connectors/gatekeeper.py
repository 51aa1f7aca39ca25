"""The gatekeeper: fetches what the gate has to know, counts what went through and what did not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from connectors import keys
from connectors.errors import NotAllowed
from connectors.gate import Errand, Facts, Refusal, why_not
from connectors.ids import mask
from connectors.part import Part
from connectors.segments import count
from connectors.session_log import REFUSED, SessionLog
from connectors.settings import NO_LIMITS, Limits
from connectors.store import Store

log = structlog.get_logger(__name__)


class Gatekeeper:
    """Every step raises StoreUnavailable.

    `unapproved` says why one of our numbers may not answer, or "". Of the `limits`, those on
    segments count here.
    """

    def __init__(
        self,
        store: Store,
        unapproved: Callable[[str], str] = lambda number: "",
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.store = store
        self.log = SessionLog(store)
        self.unapproved = unapproved
        self.limits = limits

    async def refusal(self, part: Part) -> Refusal | None:
        """Why a part may not leave now, or None."""
        segments = count(part.body).segments
        errand = Errand((part.business, part.customer), part.session, part.kind, segments)
        return why_not(errand, await self.facts(part.conversation))

    async def admit(self, conversation: str, route: str, who: str) -> Facts:
        """The facts about a conversation in which something may be said that no text asked for.

        Raises NotAllowed, which is then on record.
        """
        facts = await self.facts(conversation)
        refusal = why_not(Errand(facts.between), facts)
        if refusal:
            await self.refuse(conversation, facts.session, refusal, route, who)
        return facts

    async def refuse(
        self, conversation: str, session: str, refusal: Refusal, route: str, who: str
    ) -> None:
        """Put on record that something was refused before there was anything to send.

        Raises NotAllowed.
        """
        record = {"route": route, "who": who, "reason": refusal.reason, "do": refusal.do}
        await self.log.write(REFUSED, record, conversation=conversation, session=session)
        await self.note_refused(refusal.reason)
        log.warning("gate.refused", conversation=conversation, **record)
        raise NotAllowed(refusal.reason, refusal.do)

    async def facts(self, conversation: str) -> Facts:
        session, business, customer, consent, whole, *sent = await self.store.step(
            "facts",
            [keys.session(conversation), keys.CONSENT, keys.ID_KEY, keys.limits(conversation)],
            [conversation, keys.DAY_PREFIX],
        )
        between = (business, customer) if customer else ("", "")
        reason = self.unapproved(business) if customer else ""
        return Facts(session, between, consent, bool(whole), reason, *self._left(*sent))

    def _left(self, all_today: int, in_minute: int, in_day: int) -> Iterator[int | None]:
        """What the limits leave, of the segments that were sent: to all, and to one customer."""
        limits = self.limits
        for limit, sent in (
            (limits.segments_per_day, all_today),
            (limits.customer_segments_per_minute, in_minute),
            (limits.customer_segments_per_day, in_day),
        ):
            yield limit - sent if limit else None

    async def note_refused(self, reason: str) -> None:
        await self._count(f"refused:{reason}", 1)

    async def refused_today(self) -> dict[str, int]:
        """How often what was refused since midnight, UTC."""
        counts = await self._count("", 0)
        refused = {name: n for name, n in counts.items() if name.startswith("refused:")}
        return {name.partition(":")[2]: n for name, n in refused.items()}

    async def _count(self, name: str, n: int) -> dict[str, int]:
        given = await self.store.step("count", [keys.DAY_PREFIX], [name, n, keys.DAY_SECONDS])
        return {name: int(n) for name, n in zip(given[::2], given[1::2], strict=True)}


def masked(part: Part) -> dict[str, str]:
    """A part as ordinary logs may show it."""
    return {"part": part.id, "customer": mask(part.customer)}
