"""A customer's text: kept, the keyword obeyed, posted to the business, its answer kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.segments import MAX_CHARACTERS
from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.drafts import SENDER, is_web_address, utf16_units
from local.pretend_twilio.errors import Unusable
from local.pretend_twilio.lifecycle import Lifecycle
from local.pretend_twilio.optouts import OptOuts
from local.pretend_twilio.papers import Papers
from local.pretend_twilio.rounds import Rounds
from local.pretend_twilio.store import Answer, Media, Message, Store
from local.pretend_twilio.troubles import Posting
from local.pretend_twilio.webhooks import inbound_form

SWALLOWED = Answer(None, None, "dropped by the Messaging Service")


@dataclass(frozen=True)
class Text:
    """What the customer sends."""

    sender: str
    to: str
    body: str
    media: tuple[Media, ...]


class Inbound:
    def __init__(
        self,
        config: PretendConfig,
        store: Store,
        optouts: OptOuts,
        lifecycle: Lifecycle,
        rounds: Rounds,
        chaos: Chaos,
        papers: Papers,
    ) -> None:
        self.config = config
        self.store = store
        self.optouts = optouts
        self.lifecycle = lifecycle
        self.rounds = rounds
        self.chaos = chaos
        self.papers = papers

    async def take(self, text: Text, copies: int = 1) -> tuple[Message, Answer]:
        """One text on its way, posted at least so often unless chaos mode loses it."""
        now = self.config.clock()
        message = Message.inbound(now, text.sender, text.to, text.body, text.media)
        self.store.keep(message)
        own_words = self.optouts.hear(text.sender, text.to, text.body)
        if own_words:
            reply = Message.outbound(now, text.to, text.sender, own_words, "outbound-reply")
            self.lifecycle.begin(self.store.keep(reply))
        posting = self.chaos.next_webhook()
        self.store.note(message, *posting.words)
        # Goes on when the caller hangs up meanwhile: a text that was sent cannot be taken back.
        return message, await self._post(posting.at_least(copies), message)

    async def again(self, message: Message) -> Answer:
        """The same text once more, without trouble."""
        return await self._post(Posting(), message)

    async def _post(self, posting: Posting, message: Message) -> Answer:
        form = inbound_form(message, self.config.account_sid)
        among = f"{message.sender} {message.to}"
        url = self.papers.of(message.to).way_in
        answer = await self.rounds.go(posting, among, message, url, form) if url else SWALLOWED
        self.store.change(message, answer=answer)
        return answer


def read_text(given: Any, numbers: tuple[str, ...]) -> Text:
    """What was posted as JSON. Raises Unusable."""
    if not isinstance(given, dict):
        raise Unusable('a text is an object: {"from": ..., "to": ..., "body": ...}')
    text = Text(
        sender=_string(given, "from"),
        to=_string(given, "to"),
        body=_string(given, "body"),
        media=_media(given.get("media") or []),
    )
    if problem := problem_with(text, numbers):
        raise Unusable(problem)
    return text


def problem_with(text: Text, numbers: tuple[str, ...]) -> str | None:
    if not SENDER.fullmatch(text.sender) or text.sender in numbers:
        return "from must be a customer's number like +15550109999"
    if text.to not in numbers:
        return f"to must be one of the business numbers: {', '.join(numbers)}"
    if not text.body and not text.media:
        return "there is neither a body nor media"
    if utf16_units(text.body) > MAX_CHARACTERS:
        return f"body has more than {MAX_CHARACTERS} characters"
    if any("\ud800" <= character <= "\udfff" for character in text.body):
        return "body has half of a surrogate pair"
    return None


def _string(given: dict[str, Any], name: str) -> str:
    value = given.get(name) or ""
    if not isinstance(value, str):
        raise Unusable(f"{name} must be a text")
    return value


def _media(given: Any) -> tuple[Media, ...]:
    if not isinstance(given, list) or len(given) > 10:
        raise Unusable("media must be a list of at most 10")
    return tuple(_medium(each) for each in given)


def _medium(given: Any) -> Media:
    if not isinstance(given, dict):
        raise Unusable('media are objects: {"content_type": ..., "url": ...}')
    url, content_type = _string(given, "url"), _string(given, "content_type")
    if not is_web_address(url) or "/" not in content_type:
        raise Unusable("media need a content_type like image/png and an http address")
    return Media(url, content_type)
