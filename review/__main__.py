"""`python -m review`: the review app and the taker of the session log, until Ctrl-C or SIGTERM.

`python -m review passwd NAME` sets a new password for somebody who has lost theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from connectors.database_identity import database_id
from connectors.errors import AnotherInstallation, SettingsError
from connectors.installation import Installation
from connectors.settings import Settings
from connectors.store import Store
from review.app import create_app
from review.database import Database
from review.passwd import passwd
from review.server import ReviewServer


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.load()
        database = Database.at(settings.session_log_url)
        return passwd(database, given.name) if given.do == "passwd" else serve(settings, database)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review",
        description="The review app and the taker of the session log, until Ctrl-C or SIGTERM.",
    )
    commands = parser.add_subparsers(dest="do", metavar="COMMAND")
    lost = commands.add_parser(
        "passwd",
        help="set a new password for somebody who has lost theirs",
        description=(
            "Asks for a new password, or reads it from standard input; an empty one is made up and"
            " printed. Who is signed in under the name has to sign in again."
        ),
    )
    lost.add_argument("name", metavar="NAME", help="who: admin, for example")
    return parser


def serve(settings: Settings, database: Database) -> int:
    if another := asyncio.run(_another_installation(settings)):
        print(f"Not started: {another}", file=sys.stderr)
        return 1
    app = create_app(settings, database, Store.connect(settings.redis_url))
    # uvicorn raises the signal again after it has ended cleanly: asked to end is no failure.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(0))
    server = ReviewServer(app, settings.review_port)
    server.run()
    return 0 if server.started else 1


async def _another_installation(settings: Settings) -> str:
    """Who else uses this Redis with a session log elsewhere, or ""."""
    store = Store.connect(settings.redis_url)
    try:
        await Installation(store, lambda: database_id(settings.session_log_url)).join()
    except AnotherInstallation as error:
        return str(error)
    finally:
        await store.close()
    return ""


if __name__ == "__main__":
    sys.exit(main())
