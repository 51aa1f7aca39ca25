"""What we change in Rasa itself: as little as possible, each with its reason."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from rasa.core.actions.action import ActionExecutionRejection, RemoteAction
from rasa.core.channels.channel import OutputChannel
from rasa.core.processor import MessageProcessor
from rasa.shared.core.events import ReminderScheduled
from rasa.shared.exceptions import RasaException
from sanic import Sanic

from connectors.errors import NotAllowed, SessionOver
from connectors.follow_up import FollowUps, saying
from connectors.settings import LOOPBACK
from connectors.turn import CHANNEL, current_turn

DEFAULT_ACTIONS_PORT = 5055

log = structlog.get_logger(__name__)

_original_run = RemoteAction.run
_original_listen = Sanic.run
_original_reminder = MessageProcessor.handle_reminder


def apply(actions_port: int) -> None:
    """Put our `RemoteAction.run` in the place of Rasa's; as often as you like.

    Two reasons. Rasa swallows the failure of an action and goes on, so a turn with half an answer
    looks like a whole one: here the turn learns of it. And Rasa reads no environment for the action
    server's address, while a variable that is unset stops the start: here ACTIONS_PORT moves the
    default address of endpoints.yml.
    """

    async def run(self: RemoteAction, *arguments: Any, **named: Any) -> Any:
        if self.action_endpoint is not None:
            self.action_endpoint.url = moved(self.action_endpoint.url, actions_port)
        try:
            return await _original_run(self, *arguments, **named)
        except ActionExecutionRejection:
            raise  # no failure: an action says that another one shall answer
        except Exception as error:
            turn = current_turn.get()
            if turn is not None:
                turn.failed_actions.append(self.name())
            # Without the cause: the SDK's error answer repeats the whole conversation, and Rasa
            # would print it.
            said = str(error) if isinstance(error, RasaException) else type(error).__name__
            raise RasaException(f"{self.name()}: {said}") from None

    RemoteAction.run = run


def guard_reminders(follow_ups: FollowUps) -> None:
    """Let reminders ask the gate before they do anything, and speak through a channel of their own.

    Rasa keeps the channel of the turn that set them, which is long closed; and their job inherits
    that turn's context.
    """

    async def handle_reminder(
        self: MessageProcessor, reminder: ReminderScheduled, sender_id: str, channel: OutputChannel
    ) -> None:
        if channel.name() != CHANNEL:
            await _original_reminder(self, reminder, sender_id, channel)
            return
        current_turn.set(None)
        try:
            follow_up = await follow_ups.open(sender_id, "reminder", reminder.intent)
            with saying(follow_up):
                await _original_reminder(self, reminder, sender_id, follow_up.reply)
        except (NotAllowed, SessionOver):
            log.warning("reminder.not_sent", conversation=sender_id, reminder=reminder.intent)

    MessageProcessor.handle_reminder = handle_reminder


def listen(rasa_port: int, arguments: Sequence[str]) -> None:
    """Let `rasa run` listen on 127.0.0.1 at RASA_PORT, unless its command line says otherwise.

    Rasa's own default is every interface, and it reads no environment for either. A port that
    is taken is named in one sentence; Rasa would show where in its web server that was noticed.
    """

    def run(app: Sanic, host: str, port: int, **named: Any) -> None:
        host = host if is_told(arguments, "-i", "--interface") else LOOPBACK
        port = port if is_told(arguments, "-p", "--port") else rasa_port
        if is_taken(host, port):
            sys.exit(
                f"Not started: port {port} is taken. Does `make run` or another `rasa run` have it?"
                " RASA_PORT, or -p, names another one."
            )
        log.info("rasa.listening", address=f"{host}:{port}")
        _original_listen(app, host=host, port=port, **named)

    Sanic.run = run  # type: ignore[method-assign, assignment]


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there; anything else that is wrong the web server shall say."""
    try:
        [family, *_], *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family) as probe:
            # As the server does: connections that are still winding down do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def is_told(arguments: Sequence[str], short: str, long: str) -> bool:
    """Whether a command line has an option, in any of argparse's ways to write it."""
    return any(
        (word.startswith(short) and not word.startswith("--")) or word.split("=")[0] == long
        for word in arguments
    )


def moved(url: str, port: int) -> str:
    """The URL at another port, if it is the default action server's on this machine."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.port != DEFAULT_ACTIONS_PORT:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))
