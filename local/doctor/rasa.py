"""Our own servers: the action server here, and Rasa as Twilio finds it."""

from __future__ import annotations

import asyncio

from connectors.settings import LOOPBACK, Settings
from local import ready
from local.doctor import public_url
from local.doctor.finding import Finding


async def look_at_actions(settings: Settings) -> list[Finding]:
    url = f"http://{LOOPBACK}:{settings.actions_port}/health"
    well = await asyncio.to_thread(ready.answers, url)
    if well:
        return [Finding("Action server", True, url)]
    mend = "start it: `make run`, or `rasa run actions`"
    return [Finding("Action server", False, f"{url} does not answer", mend)]


async def look_at_public_url(settings: Settings) -> list[Finding]:
    return [await asyncio.to_thread(public_url.look_at, settings.twilio)]
