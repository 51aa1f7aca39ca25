"""The door: Rasa's input channel for SMS through Twilio.

credentials.yml: `connectors.twilio_sms.TwilioSmsInput: {}`. Every setting, and every secret, comes
from the environment or `.env`; see .env.example.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.shared.exceptions import RasaException
from sanic import Blueprint
from sanic.request import Request
from sanic.response import HTTPResponse

from connectors import rasa_patches
from connectors.assistants import LiveAssistants
from connectors.errors import SettingsError
from connectors.follow_up import current_follow_up
from connectors.reply import SmsReply
from connectors.sanic_guard import no_browser_asks, prepare
from connectors.service import Service
from connectors.settings import Settings
from connectors.turn import CHANNEL
from connectors.webhooks import Webhooks


class TwilioSmsInput(InputChannel):
    """`twilio_sms`: texts in by webhook, kept in Redis, answered by REST."""

    @classmethod
    def name(cls) -> str:
        return CHANNEL

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> TwilioSmsInput:
        """Raises RasaException, which Rasa's command line prints as one message."""
        if credentials:
            raise RasaException(
                "credentials.yml: connectors.twilio_sms.TwilioSmsInput takes no options; "
                "secrets belong in the environment or .env (see .env.example)"
            )
        try:
            settings = Settings.load()
            channel = cls(settings, LiveAssistants(settings.assistants_folder))
        except SettingsError as error:
            raise RasaException(str(error)) from None
        rasa_patches.listen(settings.rasa_port, sys.argv)
        return channel

    def __init__(self, settings: Settings, assistants: LiveAssistants) -> None:
        self.settings = settings
        self.assistants = assistants

    def get_output_channel(self) -> SmsReply:
        """The channel of a follow-up that the gate has let in; for anybody else, a refusal.

        Nobody is texted who did not text first.
        """
        from rasa.server import ErrorResponse

        if follow_up := current_follow_up.get():
            return follow_up.reply
        raise ErrorResponse(
            403,
            "OnlyCustomersOpenConversations",
            f"{CHANNEL} answers texts and never sends one first. To test the assistant without "
            "a text, use output_channel=rest or `rasa shell`.",
        )

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The routes, and the workers. Rasa's callback stays unused: texts come by the inbox."""
        service = Service(self.settings, self.assistants)
        blueprint = routes(service)
        blueprint.listener("before_server_start")(service.join)
        blueprint.listener("after_server_start")(service.start)
        blueprint.listener("before_server_stop")(service.stop)
        return blueprint


def routes(service: Service) -> Blueprint:
    """The door by itself: it takes texts in, and nobody answers them."""
    webhooks = Webhooks(service)
    blueprint = Blueprint(CHANNEL)

    # Functions, because Sanic writes attributes on streamed handlers and methods have none.
    @blueprint.get("/")
    async def health(request: Request) -> HTTPResponse:
        return await webhooks.health()

    @blueprint.post("/webhook", stream=True)
    async def webhook(request: Request) -> HTTPResponse:
        no_browser_asks(request)
        return await webhooks.text(request)

    @blueprint.post("/status", stream=True)
    async def status(request: Request) -> HTTPResponse:
        no_browser_asks(request)
        return await webhooks.status(request)

    blueprint.listener("before_server_start")(prepare)
    blueprint.listener("before_server_start")(service.open)
    return blueprint
