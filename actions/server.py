"""Our part of the action server: `rasa run actions` imports this folder and so finds it."""

from __future__ import annotations

import os
import sys
from typing import Any

import pluggy
import structlog
from rasa_sdk.constants import DEFAULT_SERVER_PORT
from rasa_sdk.plugin import plugin_manager
from sanic import Sanic

from actions import summary
from actions.assistants import live_assistants
from connectors.errors import SettingsError
from connectors.garbage import spare_what_is_loaded
from connectors.sanic_guard import refuse_bad_lengths
from connectors.settings import LOOPBACK, Settings

# Rasa's client reuses a connection for 15 s; a server that closes it sooner loses an answer.
KEEP_ALIVE_SECONDS = 75

# The SDK listens on every interface unless told otherwise, and asks nobody who they are.
os.environ.setdefault("SANIC_HOST", LOOPBACK)

log = structlog.get_logger(__name__)
hook = pluggy.HookimplMarker("rasa_sdk")


class OurServer:
    """A plugin of the SDK."""

    @hook
    def attach_sanic_app_extensions(self, app: Sanic) -> None:
        """Stops the start, with one message, if nobody could be answered anyway."""
        try:
            settings = Settings.load()
            live_assistants()
        except SettingsError as error:
            sys.exit(f"The action server is not started. {error}")
        if "SANIC_KEEP_ALIVE_TIMEOUT" not in os.environ:
            app.config.KEEP_ALIVE_TIMEOUT = KEEP_ALIVE_SECONDS
        app.config.ACCESS_LOG = (
            False  # the SDK shows nobody these lines, which are made all the same
        )
        refuse_bad_lengths(app)
        summary.keep(app, settings)
        follow_actions_port(settings.actions_port)
        app.register_listener(lambda *_: spare_what_is_loaded(), "after_server_start")


def follow_actions_port(port: int) -> None:
    """Listen at ACTIONS_PORT when the command line names no other port than the default.

    The SDK reads no environment for it, and gives the port to Sanic only after all plugins ran.
    """
    original = Sanic.run

    def run(app: Sanic, host: str, given: int, **kwargs: Any) -> None:
        chosen = port if given == DEFAULT_SERVER_PORT else given
        log.info("actions.listening", address=f"{host}:{chosen}")
        original(app, host, chosen, **kwargs)

    if port != DEFAULT_SERVER_PORT:
        Sanic.run = run  # type: ignore[method-assign, assignment]


if not plugin_manager().has_plugin(__name__):
    plugin_manager().register(OurServer(), __name__)
