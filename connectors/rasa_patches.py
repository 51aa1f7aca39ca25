"""What we change in Rasa itself: as little as possible, each with its reason."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rasa.core.actions.action import ActionExecutionRejection, RemoteAction

from connectors.turn import current_turn

DEFAULT_ACTIONS_PORT = 5055

_original_run = RemoteAction.run


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
        except BaseException:
            turn = current_turn.get()
            if turn is not None:
                turn.failed_actions.append(self.name())
            raise

    RemoteAction.run = run


def moved(url: str, port: int) -> str:
    """The URL at another port, if it is the default action server's on this machine."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.port != DEFAULT_ACTIONS_PORT:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))
