"""After a failover: what was said before is asked of Twilio, before anything is said again.

A replica that takes over may lack the last moments of its primary: all that was written from some
instant on. So what waits in it may have been done: a part that was sent, a text that was answered.
Twilio knows what was sent. Until it was asked, nothing is sent or answered that came before.

- A part that waits is looked up first, as if its sending had been under way (see sender).
- A text that waits is answered, unless Twilio has a message to its customer that came after it and
  of which Redis does not know. That message was the answer; it goes on record as such. Where it
  may have been the answer to an earlier text only, the customer gets the plain sentence as well.
- A text of which Redis does not know is found by the reconciler, which looks at once; turns wait
  for it, so that it keeps its place before what came later.

A server that only was restarted has what it had on its disk. Twilio is asked then, too, but nothing
waits for requests that could still have been under way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import structlog

from connectors.errors import SendRefused, SendUnavailable, SendUnknown
from connectors.inbox import WaitingText
from connectors.lanes import Claim
from connectors.outbox import LISTED_WITHIN_SECONDS, REQUEST_MS, Outbox
from connectors.part import Part
from connectors.store import Store
from connectors.twilio_api import SentMessage, TwilioApi, has_words

log = structlog.get_logger(__name__)

# The clocks of two servers may differ by so much.
CLOCKS_MS = 1_000
# What waits longer than this, or comes back later, was not on its way when the server changed: it
# is a dead letter that is tried again, whose message Redis may have forgotten since (see keys).
LONGEST_MS = 24 * 3600 * 1000
# A request that was under way is over, and Twilio lists what came of it.
SETTLED_SECONDS = REQUEST_MS / 1000 + LISTED_WITHIN_SECONDS
# Turns wait for the reconciler's look, but not longer than this, whatever Twilio does.
RECONCILED_WITHIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.5
ASK_AGAIN_SECONDS = 1.0
# Twilio tells when a message was made in whole seconds, and no answer is made in less than this.
AT_LEAST_SECONDS = 0.5

# Twilio's words for a message that never left.
NEVER_SENT = ("failed", "canceled")

MAY_BE_UNANSWERED = (
    "it came while an earlier text was answered, just before a failover of Redis: whether it was"
    " answered, too, is not certain"
)


class ServerChanges:
    """What a change of the Redis server makes uncertain. Times are milliseconds since 1970."""

    def __init__(self, store: Store, settled_seconds: float = SETTLED_SECONDS) -> None:
        self.store = store
        self.settled_seconds = settled_seconds

    def is_unsure(self, at_ms: int) -> bool:
        """May what was done since then be forgotten?"""
        changed_ms = self.store.server_changed_ms
        is_before = changed_ms - LONGEST_MS < at_ms < changed_ms + CLOCKS_MS
        return is_before and time.time() * 1000 < changed_ms + LONGEST_MS

    def is_under_way(self, at_ms: int) -> bool:
        """May a request to Twilio, made by whoever was there before a failover, still come true?"""
        is_before = at_ms < self.store.failover_ms + CLOCKS_MS
        return is_before and self.store.failover_age_seconds < self.settled_seconds

    def as_asked(self, part: Part) -> Part:
        """The part as if Twilio had been asked for it: whoever handles it looks it up first."""
        if part.asked_ms or not self.is_unsure(part.created_ms):
            return part
        # Without a failover that is long ago.
        over_ms = self.store.failover_ms + REQUEST_MS
        return replace(part, asked_ms=part.created_ms, over_ms=over_ms)


class FailoverGuard:
    """Handles claims of the inbox before the turns do.

    `turn` is who answers; `recover` commits texts with the messages that were their answer, and the
    reason why that is not certain, or "". `reconciled_for` tells up to which change of the server
    the reconciler has looked. `release` gives a claim back for so many seconds, uncounted.
    `settle_ms` is how long after a text its customer may send more.
    """

    def __init__(
        self,
        changes: ServerChanges,
        outbox: Outbox,
        twilio: TwilioApi,
        turn: Callable[[Claim], Awaitable[None]],
        recover: Callable[[Claim, Sequence[SentMessage], str], Awaitable[None]],
        reconciled_for: Callable[[], int],
        release: Callable[[Claim, float], Awaitable[None]],
        settle_ms: int,
    ) -> None:
        self.changes = changes
        self.outbox = outbox
        self.twilio = twilio
        self.turn = turn
        self.recover = recover
        self.reconciled_for = reconciled_for
        self.release = release
        self.settle_ms = settle_ms

    async def handle(self, claim: Claim) -> None:
        """Have the texts answered, unless they were, or nobody can know yet."""
        if self._awaits_reconciler():
            await self.release(claim, LOOK_AGAIN_SECONDS)
            return
        texts = [WaitingText.read(item) for item in claim.items]
        # One that was found at Twilio may stand behind what came later.
        first = min(texts, key=lambda text: text.accepted_ms)
        if not self.changes.is_unsure(first.accepted_ms):
            await self.turn(claim)
            return
        try:
            said = await self._said_since(claim.conversation, first)
        except (SendRefused, SendUnavailable, SendUnknown) as error:
            log.warning("failover.cannot_ask", conversation=claim.conversation, reason=str(error))
            await self.release(claim, ASK_AGAIN_SECONDS)
            return
        await self._go_on(claim, texts, said)

    async def _go_on(
        self, claim: Claim, texts: Sequence[WaitingText], said: Sequence[SentMessage]
    ) -> None:
        answered = _answered(texts, said)
        if answered:
            log.warning(
                "failover.was_answered",
                conversation=claim.conversation,
                texts=answered,
                messages=len(said),
            )
            sure = _were_together(texts[:answered], self.settle_ms)
            why = "" if sure else MAY_BE_UNANSWERED
            await self.recover(replace(claim, items=claim.items[:answered]), said, why)
        elif any(self.changes.is_under_way(text.accepted_ms) for text in texts):
            await self.release(claim, ASK_AGAIN_SECONDS)
        else:
            await self.turn(claim)

    def _awaits_reconciler(self) -> bool:
        store = self.changes.store
        is_fresh = store.failover_age_seconds < RECONCILED_WITHIN_SECONDS
        return is_fresh and self.reconciled_for() < store.failover_ms

    async def _said_since(self, conversation: str, first: WaitingText) -> list[SentMessage]:
        """Messages at Twilio of which nothing is known here, oldest first. Raises as that does."""
        text = first.text
        since = first.accepted_ms / 1000 - 1
        listed = await self.twilio.sent_to(text.business, text.customer, since)
        sent = [message for message in listed if message.status not in NEVER_SENT]
        if not sent:
            return []
        bodies = [part.body for part in await self.outbox.of(conversation)]
        unknown = []
        for message in reversed(sent):
            waits = next((body for body in bodies if has_words(message.body, body)), None)
            if waits is not None:
                bodies.remove(waits)  # the sender will find it
            elif await self.outbox.part_of(message.sid) is None:
                unknown.append(message)
        return unknown


def _answered(texts: Sequence[WaitingText], said: Sequence[SentMessage]) -> int:
    """How many of the texts, with all that stand before them, had come when the last of the
    messages was made."""
    last = max((message.created_seconds for message in said), default=0.0)
    in_time = (text.accepted_ms / 1000 <= last + AT_LEAST_SECONDS for text in texts)
    return max((n for n, is_answered in enumerate(in_time, 1) if is_answered), default=0)


def _were_together(texts: Sequence[WaitingText], settle_ms: int) -> bool:
    """Did each come so soon after the one before that all of them were certainly one turn?"""
    return all(
        abs(later.accepted_ms - earlier.accepted_ms) <= settle_ms
        for earlier, later in pairwise(texts)
    )
