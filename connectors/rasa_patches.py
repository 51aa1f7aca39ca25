"""What we change in Rasa itself: as little as possible, each with its reason."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from rasa.core.actions.action import RemoteAction
from rasa.utils.endpoints import EndpointConfig

DEFAULT_ACTIONS_PORT = 5055


def follow_actions_port(port: int) -> None:
    """Call the action server at ACTIONS_PORT where endpoints.yml names the default address.

    Rasa reads no environment for it, and a variable that is unset in endpoints.yml stops the
    start.
    """
    original = RemoteAction.__init__

    def patched(self: RemoteAction, name: str, action_endpoint: EndpointConfig | None) -> None:
        if action_endpoint is not None:
            action_endpoint.url = moved(action_endpoint.url, port)
        original(self, name, action_endpoint)

    if port != DEFAULT_ACTIONS_PORT:
        RemoteAction.__init__ = patched


def moved(url: str, port: int) -> str:
    """The URL at another port, if it is the default action server's on this machine."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.port != DEFAULT_ACTIONS_PORT:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))
