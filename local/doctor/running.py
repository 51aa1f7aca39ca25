"""The running Rasa: does it know every number that the settings have by now?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from connectors.ids import mask
from connectors.settings import Settings, is_loopback
from connectors.wire import HEALTH_PATH
from local.doctor import assistants
from local.doctor.finding import Finding

ABOUT = "Running Rasa"
PATIENCE_SECONDS = 5.0
SILENT = "it does not answer"


async def look(settings: Settings) -> list[Finding]:
    """Nothing where it cannot be asked; that is said already."""
    told = await asyncio.to_thread(_health, settings.twilio.public_url + HEALTH_PATH)
    known = None if told is None else _numbers(told)
    numbers = [number for number in assistants.ours(settings) if assistants.answering(number)]
    found = [] if known is None else [judge(known, [mask(number) for number in numbers])]
    return [*found, *troubles(told or {})]


def troubles(told: Mapping[str, Any]) -> list[Finding]:
    """What its health says when that is not ok."""
    why = told.get("why")
    said = why if isinstance(why, list) else []
    # That Redis is silent is found where Redis is looked at; that it takes no writes is not.
    return [Finding(ABOUT, False, str(each)) for each in said if SILENT not in str(each)]


def judge(known: Sequence[str], ours: Sequence[str]) -> Finding:
    """Both are masked, as the health tells them."""
    missing = Counter(ours) - Counter(known)
    if not missing:
        return Finding(ABOUT, True, "knows every number")
    seen = f"does not know {', '.join(missing)} yet: it was started before"
    return Finding(ABOUT, False, seen, "restart it, and texts to the number are answered")


def _numbers(told: Mapping[str, Any]) -> list[str] | None:
    try:
        return [str(each["number"]) for each in told["numbers"]]
    except (KeyError, TypeError):
        return None


def _health(url: str) -> Mapping[str, Any] | None:
    with requests.Session() as session:
        session.trust_env = not is_loopback(url)
        try:
            told = session.get(url, timeout=PATIENCE_SECONDS, allow_redirects=False).json()
            return told if isinstance(told, dict) else None
        except (requests.RequestException, ValueError):
            return None
