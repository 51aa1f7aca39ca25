"""`python -m local.import_number NUMBER [--assistant NAME] [--yes] [--undo]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence

from connectors.errors import SettingsError, SmsError
from connectors.settings import NUMBER, Settings
from connectors.twilio_account import TwilioAccount
from connectors.twilio_client import TwilioClient
from local.import_number.importing import Import, Refused, Terminal

PATIENCE_SECONDS = 15.0


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str] | None = None,
    terminal: Terminal | None = None,
) -> int:
    """0 done, 1 not done, 2 the settings cannot be used."""
    asked = _parser().parse_args(arguments)
    try:
        settings = Settings.load(environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return asyncio.run(run(asked, settings, terminal or Terminal()))


async def run(asked: argparse.Namespace, settings: Settings, terminal: Terminal) -> int:
    client = TwilioClient(settings.twilio, timeout=PATIENCE_SECONDS)
    try:
        if not NUMBER.fullmatch(asked.number):
            raise Refused(f"NUMBER is {asked.number!r}; it must look like +15550100001.")
        one = Import(asked.number, asked.assistant, settings, TwilioAccount(client), terminal)
        await (one.send_back(asked.yes) if asked.undo else one.bring(asked.yes))
    except (Refused, SettingsError) as error:
        terminal.say(str(error))
    except SmsError as error:
        terminal.say(f"{error}. What was changed so far is on record: UNDO=1 takes it back.")
    else:
        return 0
    finally:
        await client.close()
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make import-number")
    parser.add_argument("number")
    parser.add_argument("--assistant", default="")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--undo", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
