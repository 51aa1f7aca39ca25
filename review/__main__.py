"""`python -m review`: the review app and the taker of the session log, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import sys

from connectors.errors import SettingsError
from connectors.settings import Settings
from connectors.store import Store
from review.app import create_app
from review.database import Database
from review.server import ReviewServer


def main() -> int:
    try:
        settings = Settings.load()
        database = Database.at(settings.session_log_url)
        app = create_app(settings, database, Store.connect(settings.redis_url))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    # uvicorn raises the signal again after it has ended cleanly: asked to end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    server = ReviewServer(app, settings.review_port)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
