"""Every message of the account, both directions, in memory, and who is watching them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.segments import count
from local.pretend_twilio.errors import ending_in_words

# A long bench must not eat the machine; nobody looks further back.
KEPT = 100_000


@dataclass(frozen=True)
class Media:
    url: str
    content_type: str


@dataclass(frozen=True)
class Answer:
    """What came of posting a webhook: the status, or the reason why there is none."""

    status: int | None
    code: int | None
    words: str

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def as_json(self) -> dict[str, object]:
        return {
            "taken": self.taken,
            "status": self.status,
            "code": self.code,
            "words": self.words,
        }


@dataclass(frozen=True)
class Message:
    """One text. `direction` is Twilio's: inbound, outbound-api or outbound-reply."""

    sid: str
    sender: str
    to: str
    body: str
    direction: str
    status: str
    created: datetime
    updated: datetime
    sent: datetime | None = None
    media: tuple[Media, ...] = ()
    error_code: int | None = None
    status_callback: str = ""
    answer: Answer | None = None
    trouble: tuple[str, ...] = ()  # what chaos mode did to it, in words

    @classmethod
    def inbound(
        cls, now: datetime, sender: str, to: str, body: str, media: tuple[Media, ...]
    ) -> Message:
        """A customer's text that has just come."""
        sid = new_sid(media)
        return cls(sid, sender, to, body, "inbound", "received", now, now, sent=now, media=media)

    @classmethod
    def outbound(
        cls,
        now: datetime,
        sender: str,
        to: str,
        body: str,
        direction: str = "outbound-api",
        *,
        media: tuple[Media, ...] = (),
        status_callback: str = "",
    ) -> Message:
        """A message that has just been taken, and waits to be sent."""
        return cls(
            sid=new_sid(media),
            sender=sender,
            to=to,
            body=body,
            direction=direction,
            status="queued",
            created=now,
            updated=now,
            media=media,
            status_callback=status_callback,
        )

    @property
    def is_inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def customer(self) -> str:
        return self.sender if self.is_inbound else self.to

    @property
    def segments(self) -> int:
        return 1 if self.media else count(self.body).segments

    @property
    def encoding(self) -> str:
        return "MMS" if self.media else count(self.body).encoding

    def as_bubble(self) -> dict[str, object]:
        """The message as the phone page shows it."""
        return {
            "sid": self.sid,
            "direction": "inbound" if self.is_inbound else "outbound",
            "from": self.sender,
            "to": self.to,
            "body": self.body,
            "media": [{"url": m.url, "content_type": m.content_type} for m in self.media],
            "status": self.status,
            "segments": self.segments,
            "encoding": self.encoding,
            "at": self.created.isoformat(timespec="milliseconds"),
            "automatic": self.direction == "outbound-reply",
            "error": self.error_code
            and {"code": self.error_code, "words": ending_in_words(self.error_code)},
            "answer": self.answer and self.answer.as_json(),
            "trouble": self.trouble,
        }


@dataclass
class Post:
    """One form on its way to the business: a text, or the report of a message's `state`."""

    state: str
    at: datetime
    answered: datetime | None = None
    answer: Answer | None = None


class Store:
    """Messages by SID, oldest first. Watchers get each new and each changed message."""

    def __init__(self) -> None:
        # Tells a phone page that came back whether it talks to the same memory as before.
        self.boot = secrets.token_hex(4)
        self._messages: dict[str, Message] = {}
        self._posts: dict[str, list[Post]] = {}
        self._watchers: set[asyncio.Queue[Message | None]] = set()

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, sid: str) -> Message | None:
        return self._messages.get(sid)

    def newest_first(self) -> Iterator[Message]:
        return reversed(self._messages.values())

    def of_customer(self, customer: str) -> list[Message]:
        """One customer's messages, oldest first; of all customers when `customer` is empty."""
        return [m for m in self._messages.values() if not customer or m.customer == customer]

    def keep(self, message: Message) -> Message:
        self._messages[message.sid] = message
        if len(self._messages) > KEPT:
            oldest = next(iter(self._messages))
            del self._messages[oldest]
            self._posts.pop(oldest, None)
        self._tell(message)
        return message

    def change(self, message: Message, **changes: object) -> Message:
        # mypy cannot check names given as a dict; dataclasses.replace refuses wrong ones.
        return self.keep(replace(self._messages.get(message.sid, message), **changes))  # type: ignore[arg-type]

    def note(self, message: Message, *trouble: str) -> Message:
        """Chaos mode did this to it."""
        if not trouble:
            return message
        now = self._messages.get(message.sid, message)
        return self.change(message, trouble=(*now.trouble, *trouble))

    def posted(self, message: Message, post: Post) -> None:
        if message.sid in self._messages:
            self._posts.setdefault(message.sid, []).append(post)

    def posts_of(self, message: Message) -> list[Post]:
        return self._posts.get(message.sid, [])

    @contextmanager
    def watching(self) -> Iterator[asyncio.Queue[Message | None]]:
        """A queue of what happens from now on; None means that it is over."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    def hang_up(self) -> None:
        """Ends every watch, so that open event streams do not hold up the end of the process."""
        self._tell(None)

    def _tell(self, message: Message | None) -> None:
        for queue in self._watchers:
            queue.put_nowait(message)


def new_sid(media: tuple[Media, ...]) -> str:
    return ("MM" if media else "SM") + secrets.token_hex(16)
