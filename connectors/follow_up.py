"""Follow-ups: what is said in a live session without a text that asks for it.

Reminders, and Rasa's HTTP routes. The gate is asked before anything else happens, and what was said
is committed with its parts or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from connectors.gate import NOBODY_GETS_IT
from connectors.gatekeeper import Gatekeeper
from connectors.layout import Style, lay_out
from connectors.part import Part
from connectors.reply import SmsReply

current_follow_up: ContextVar[FollowUp | None] = ContextVar("current_follow_up", default=None)


@dataclass
class FollowUp:
    """What Rasa says to one customer until it saves the tracker; `reply` gathers it."""

    conversation: str
    session: str
    business: str
    customer: str
    reply: SmsReply = field(default_factory=SmsReply)

    def take_parts(self) -> list[Part]:
        """The parts of what was said since the last save."""
        said = lay_out(self.reply.texts, self.reply.style).messages
        self.reply.texts.clear()
        return [
            Part.new(self.conversation, self.session, self.business, self.customer, body)
            for body in said
        ]


class FollowUps:
    """Opens them. `style` is how the assistant behind one of our numbers writes."""

    def __init__(self, gatekeeper: Gatekeeper, style: Callable[[str], Style]) -> None:
        self.gatekeeper = gatekeeper
        self.style = style

    async def open(self, conversation: str, route: str, who: str) -> FollowUp:
        """Raises NotAllowed, which is then on record, and StoreUnavailable."""
        facts = await self.gatekeeper.admit(conversation, route, who)
        business, customer = facts.between
        reply = SmsReply(self.style(business))
        return FollowUp(conversation, facts.session, business, customer, reply)

    async def keep_out(self, conversation: str, route: str, who: str) -> None:
        """Nothing is said in a customer's session that the customer does not get.

        Raises as `open` does.
        """
        facts = await self.gatekeeper.facts(conversation)
        if facts.session and all(facts.between):
            await self.gatekeeper.refuse(conversation, facts.session, NOBODY_GETS_IT, route, who)


@contextmanager
def saying(follow_up: FollowUp) -> Iterator[None]:
    """What Rasa saves meanwhile is this follow-up's."""
    token = current_follow_up.set(follow_up)
    try:
        yield
    finally:
        follow_up.reply.close()
        current_follow_up.reset(token)


def follow_up_of(conversation: str) -> FollowUp | None:
    """The one whose save this is."""
    follow_up = current_follow_up.get()
    return follow_up if follow_up and follow_up.conversation == conversation else None
