"""The output channel of one turn: it gathers what Rasa says. Nothing leaves here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from rasa.core.channels.channel import OutputChannel

from connectors.layout import Style, prepared
from connectors.left_open import Choice, numbered

log = structlog.get_logger(__name__)

Refused = Callable[[str], Awaitable[None]]


class SmsReply(OutputChannel):
    """Gathers the texts of a reply until the turn is committed.

    It knows no phone number, so an action that keeps it cannot text anybody: after the turn it
    refuses, and whoever closed it is told.
    """

    def __init__(self, style: Style | None = None) -> None:
        self.style = style or Style()
        self.texts: list[str] = []  # prepared
        self.choices: list[Choice] = []
        self._closed = False
        self._refused: Refused | None = None

    @classmethod
    def name(cls) -> str:
        return "twilio_sms"

    def close(self, refused: Refused | None = None) -> None:
        """Gather no more. `refused` is told of the conversation for which somebody tries."""
        self._closed, self._refused = True, refused

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        if self._closed:
            # Raising here would abort whatever Rasa is doing; nothing is sent either way.
            log.warning("reply.refused", conversation=recipient_id, reason="the turn is over")
            if self._refused:
                await self._refused(recipient_id)
        elif said := prepared(text or "", self.style):
            self.texts.append(said)

    async def send_text_with_buttons(
        self, recipient_id: str, text: str, buttons: list[dict[str, Any]], **kwargs: Any
    ) -> None:
        """SMS has no buttons: a numbered list in the same message, not a message for each."""
        offered = [_choice(button) for button in buttons if button.get("title")]
        listed = numbered(offered, first=len(self.choices) + 1)
        self.choices += offered
        await self.send_text_message(recipient_id, f"{text or ''}\n{listed}", **kwargs)

    async def send_image_url(self, recipient_id: str, image: str, **kwargs: Any) -> None:
        await self.send_text_message(recipient_id, image)

    async def send_attachment(self, recipient_id: str, attachment: str, **kwargs: Any) -> None:
        await self.send_text_message(recipient_id, str(attachment))

    async def send_elements(
        self, recipient_id: str, elements: Iterable[dict[str, Any]], **kwargs: Any
    ) -> None:
        for element in elements:
            lines = [element.get("title"), element.get("subtitle")]
            await self.send_text_with_buttons(
                recipient_id,
                "\n".join(line for line in lines if line),
                element.get("buttons") or [],
            )

    async def send_custom_json(
        self, recipient_id: str, json_message: dict[str, Any], **kwargs: Any
    ) -> None:
        log.warning(
            "reply.custom_json_ignored", conversation=recipient_id, fields=sorted(json_message)
        )


def _choice(button: dict[str, Any]) -> Choice:
    title = str(button["title"]).strip()
    return Choice(title, str(button.get("payload") or title).strip())
