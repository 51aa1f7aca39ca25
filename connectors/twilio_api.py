"""Messages at Twilio: sends them, and finds them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from twilio.base.exceptions import TwilioRestException

from connectors.errors import SendUnavailable
from connectors.outbox import ASKED_AT_MOST_SECONDS, REQUEST_SECONDS
from connectors.part import Part
from connectors.settings import Twilio
from connectors.twilio_client import TwilioClient
from connectors.wire import STATUS_PATH, InboundText

# A reply that Twilio could not hand over in this time is of no use any more.
VALIDITY_SECONDS = 600

_CLOCK_SKEW_SECONDS = 300
_LOOK_BACK = 100


@dataclass(frozen=True)
class Accepted:
    """What Twilio said when it took a message."""

    sid: str
    status: str


@dataclass(frozen=True)
class SentMessage:
    """A message of ours as Twilio lists it; `created_seconds` since 1970, in whole seconds."""

    sid: str
    status: str
    body: str
    created_seconds: float


@dataclass(frozen=True)
class ReceivedText:
    """A text as Twilio lists it, and when it got it, in seconds since 1970."""

    text: InboundText
    sent_seconds: float


class TwilioApi:
    """Sends messages and finds them again.

    Twilio itself drops what it could not hand over within `validity_seconds`, 1 to 36000.
    """

    def __init__(
        self,
        settings: Twilio,
        timeout: float = REQUEST_SECONDS,
        validity_seconds: int = VALIDITY_SECONDS,
    ) -> None:
        self.settings = settings
        self.validity_seconds = validity_seconds
        self.client = TwilioClient(settings, timeout)

    async def send(self, part: Part) -> Accepted:
        """Ask Twilio to send a part.

        Raises SendRefused (never again), SendUnavailable (later) or SendUnknown (look it up).
        """
        message = await self.client.call(lambda: self._create(part))
        return Accepted(str(message.sid), str(message.status))

    async def _create(self, part: Part) -> Any:
        # Somebody else may have looked meanwhile, and sent the part.
        if part.asked_for_seconds > ASKED_AT_MOST_SECONDS:
            raise SendUnavailable("this process stood still between the note and the request")
        return await self.client.rest.messages.create_async(
            to=part.customer,
            from_=part.business,
            body=part.body,
            status_callback=self._status_url(part),
            validity_period=self.validity_seconds,
        )

    def _status_url(self, part: Part) -> str:
        return f"{self.settings.public_url}{STATUS_PATH}?{urlencode({'part': part.id})}"

    async def find(self, part: Part) -> list[Accepted]:
        """Messages at Twilio that may be the part, newest first. Raises as `send` does."""
        earliest = part.asked_ms / 1000 - _CLOCK_SKEW_SECONDS
        found = await self.sent_to(part.business, part.customer, earliest)
        return [Accepted(m.sid, m.status) for m in found if has_words(m.body, part.body)]

    async def sent_to(self, business: str, customer: str, since: float) -> list[SentMessage]:
        """What was sent from one of our numbers to a customer since a time in seconds, newest
        first. Raises as `send` does.

        The list is not filtered by date, because a message that still waits has none.
        """
        found = await self.client.call(
            lambda: self.client.rest.messages.list_async(
                to=customer, from_=business, limit=_LOOK_BACK, page_size=_LOOK_BACK
            )
        )
        return [
            SentMessage(str(m.sid), str(m.status), m.body or "", m.date_created.timestamp())
            for m in found
            if m.date_created and m.date_created.timestamp() >= since
        ]

    async def received(self, number: str, since: float) -> list[ReceivedText]:
        """Texts to one of our numbers since a time in seconds, oldest first. Raises as `send`."""
        after = datetime.fromtimestamp(since, timezone.utc)
        found = await self.client.call(
            lambda: self.client.rest.messages.list_async(
                to=number, date_sent_after=after, page_size=1000
            )
        )
        return [
            ReceivedText(
                InboundText(str(m.sid), str(m.from_), number, m.body or "", int(m.num_media or 0)),
                m.date_sent.timestamp(),
            )
            for m in reversed(found)
            if m.direction == "inbound"
        ]

    async def redact(self, sid: str) -> None:
        """Empty a message's body at Twilio and delete its pictures. One that is gone is as good.

        Raises as `send` does; a message that is still on its way is SendRefused.
        """
        await self.client.call(lambda: self._redact(sid))

    async def _redact(self, sid: str) -> None:
        try:
            message = self.client.rest.messages(sid)
            emptied = await message.update_async(body="")
            if int(emptied.num_media or 0):
                for medium in await message.media.list_async():
                    await medium.delete_async()
        except TwilioRestException as error:
            if error.status != 404:
                raise

    async def close(self) -> None:
        await self.client.close()


def has_words(found: str, sent: str) -> bool:
    """Trial accounts get a sentence put before their texts, and blanks may be tidied."""
    return " ".join(found.split()).endswith(" ".join(sent.split()))
