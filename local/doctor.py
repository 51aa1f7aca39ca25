"""`make doctor`: is everything that an answer needs in reach, and if not, what to do about it?"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from actions.model import ModelClient, NoAnswer
from connectors.dead_letters import DeadLetters
from connectors.errors import SettingsError, SmsError, StoreUnavailable
from connectors.ids import mask
from connectors.settings import LOOPBACK, Model, Settings, is_loopback
from connectors.store import Store, unavailable_is_named
from connectors.ten_dlc import Verdict, judge
from connectors.twilio_account import TwilioAccount
from connectors.twilio_api import TwilioApi
from connectors.wire import HEALTH_PATH
from local import ready

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, whether it is well, and what was seen."""

    about: str
    well: bool
    seen: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.well else 'BAD '} {self.about}: {self.seen}"


async def redis(settings: Settings) -> list[Finding]:
    store = Store.connect(settings.redis_url)
    try:
        with unavailable_is_named():
            server = await store.client.info()
    except StoreUnavailable as error:
        mend = "start it: `make services`" if settings.embedded_redis else "check REDIS_URL"
        return [Finding("Redis", False, f"{error}; {mend}")]
    finally:
        await store.close()
    durable = bool(server.get("aof_enabled"))
    policy = server.get("maxmemory_policy", "noeviction")
    lossy = "no append-only file: a crash of Redis loses texts; set `appendonly yes`"
    evicts = f"{policy}: it may throw sessions away; set `maxmemory-policy noeviction`"
    return [
        Finding("Redis", True, f"version {server['redis_version']} answers"),
        Finding("Redis persistence", durable, "append-only file" if durable else lossy),
        Finding(
            "Redis eviction", policy == "noeviction", policy if policy == "noeviction" else evicts
        ),
    ]


async def dead_letters(settings: Settings) -> list[Finding]:
    store = Store.connect(settings.redis_url)
    try:
        count = len(await DeadLetters(store).all())
    except StoreUnavailable:
        return []  # said already
    finally:
        await store.close()
    seen = f"{count} texts got only the plain sentence: `make dead-letters`" if count else "none"
    return [Finding("Dead letters", not count, seen)]


async def model(about: str, endpoint: Model) -> list[Finding]:
    """A word from the model is the only proof that address, key and name are right."""
    client, began = ModelClient(endpoint), time.monotonic()
    try:
        answer = await client.ask(
            "You are brief.", [{"role": "user", "content": "Say hello."}], seconds=20, max_tokens=20
        )
    except NoAnswer as failure:
        return [Finding(about, False, f"{client.address}: {failure.advice}")]
    finally:
        await client.close()
    return [Finding(about, True, f"{answer.model} answers in {time.monotonic() - began:.1f} s")]


async def models(settings: Settings) -> list[Finding]:
    findings = await model("Model", settings.model)
    if settings.fallback_model:
        findings += await model("Fallback model", settings.fallback_model)
    return findings


async def action_server(settings: Settings) -> list[Finding]:
    return [await reached("Action server", f"http://{LOOPBACK}:{settings.actions_port}/health")]


async def webhook(settings: Settings) -> list[Finding]:
    """PUBLIC_URL leads to this channel, as Twilio would find it."""
    twilio = settings.twilio
    if is_loopback(twilio.public_url) and not is_loopback(twilio.api_base_url or "https://x"):
        seen = f"{twilio.public_url} is this machine alone; set it to what Twilio was told"
        return [Finding("PUBLIC_URL", False, seen)]
    return [await reached("PUBLIC_URL", settings.twilio.public_url + HEALTH_PATH)]


async def reached(about: str, url: str) -> Finding:
    well = await asyncio.to_thread(ready.answers, url)
    return Finding(about, well, url if well else f"{url} does not answer as it should")


async def twilio(settings: Settings) -> list[Finding]:
    api = TwilioApi(settings.twilio, timeout=PATIENCE_SECONDS)
    about = "Pretend Twilio" if settings.twilio.pretend else "Twilio account"
    try:
        account = TwilioAccount(api.client)
        status = await account.status()
        found = await account.registrations(settings.twilio.numbers)
    except SmsError as error:
        check = "check TWILIO_ACCOUNT_SID and its token or key"
        mend = "start it: `make services`" if settings.twilio.pretend else check
        return [Finding(about, False, f"{error}; {mend}")]
    finally:
        api.close()
    standings = {number: judge(registration) for number, registration in found.items()}
    return [
        Finding(about, status == "active", status),
        *(
            Finding(f"Number {mask(n)}", standing.verdict is not Verdict.REFUSED, str(standing))
            for n, standing in standings.items()
        ),
    ]


CHECKS: tuple[Callable[[Settings], Awaitable[list[Finding]]], ...] = (
    redis,
    dead_letters,
    models,
    action_server,
    webhook,
    twilio,
)


async def examine(settings: Settings) -> bool:
    """Say what each check finds, as soon as it does. Is everything well?

    One after the other: a client that takes its time to be made would use up another's patience.
    """
    well = True
    for check in CHECKS:
        for finding in await check(settings):
            print(finding, flush=True)
            well = well and finding.well
    return well


def main() -> int:
    try:
        settings = Settings.load()
    except SettingsError as error:
        print(error)
        return 2
    return 0 if asyncio.run(examine(settings)) else 1


if __name__ == "__main__":
    sys.exit(main())
