"""`python -m local.pretend_twilio`: serves until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace

from connectors.assistants import Assistants
from connectors.errors import SettingsError
from connectors.settings import LOOPBACK, Settings
from local.pretend_twilio.app import create_app
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.server import PhoneServer


def main() -> int:
    try:
        settings = Settings.load()
        claimed = Assistants.load(settings.assistants_folder).numbers
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.twilio.api_base_url is None:
        print(
            "TWILIO_ACCOUNT_SID is set, so texts go through the real Twilio;"
            " unset it to rehearse with the pretend one.",
            file=sys.stderr,
        )
        return 2
    # uvicorn raises the signal again after it has ended cleanly: asked to end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    port, config = settings.phone_port, PretendConfig.from_settings(settings.twilio)
    server = PhoneServer(
        create_app(replace(config, numbers=tuple(dict.fromkeys((*config.numbers, *claimed))))),
        port,
        on_start=lambda: print(f"phone page: http://{LOOPBACK}:{port}/", flush=True),
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
