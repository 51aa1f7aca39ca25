"""The running Rasa: does it know every number that the settings have by now?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import requests

from connectors.ids import mask
from connectors.settings import Settings, is_loopback
from connectors.wire import HEALTH_PATH
from local.doctor import assistants
from local.doctor.finding import Finding

ABOUT = "Running Rasa"
PATIENCE_SECONDS = 5.0


async def look(settings: Settings) -> list[Finding]:
    """Nothing where it cannot be asked; that is said already."""
    known = await asyncio.to_thread(_numbers, settings.twilio.public_url + HEALTH_PATH)
    numbers = [number for number in assistants.ours(settings) if assistants.answering(number)]
    return [] if known is None else [judge(known, [mask(number) for number in numbers])]


def judge(known: Sequence[str], ours: Sequence[str]) -> Finding:
    """Both are masked, as the health tells them."""
    missing = Counter(ours) - Counter(known)
    if not missing:
        return Finding(ABOUT, True, "knows every number")
    seen = f"does not know {', '.join(missing)} yet: it was started before"
    return Finding(ABOUT, False, seen, "restart it, and texts to the number are answered")


def _numbers(url: str) -> list[str] | None:
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)
        try:
            told = session.get(url, timeout=PATIENCE_SECONDS, allow_redirects=False).json()
            return [str(each["number"]) for each in told["numbers"]]
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return None
