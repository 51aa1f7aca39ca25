"""The assistants: can their files be used, and does every number of ours have one?"""

from __future__ import annotations

from connectors.assistant import Assistant
from connectors.assistants import Assistants, attached
from connectors.errors import SettingsError
from connectors.ids import mask
from connectors.settings import Settings
from local.doctor.finding import Finding


async def look(settings: Settings) -> list[Finding]:
    try:
        found = Assistants.load()
    except SettingsError as error:
        return [Finding("Assistants", False, str(error))]
    silent = set(settings.twilio.numbers) - set(attached(settings.twilio.numbers, found))
    if silent:
        seen = f"nobody answers {', '.join(sorted(map(mask, silent)))}"
        mend = "list it in an assistant's file, or make one assistant the default"
        return [Finding("Assistants", False, seen, mend)]
    return [Finding("Assistants", True, ", ".join(sorted(found.by_id)))]


def answering(number: str) -> Assistant | None:
    """Who answers a number of ours, as far as the files can be read."""
    try:
        return Assistants.load().for_number(number)
    except SettingsError:
        return None


def ours(settings: Settings) -> tuple[str, ...]:
    """All our numbers, as far as the files can be read."""
    try:
        claimed = Assistants.load().numbers
    except SettingsError:
        claimed = ()
    return tuple(dict.fromkeys((*settings.twilio.numbers, *claimed)))
