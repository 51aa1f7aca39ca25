"""Twilio: the account, the clock, and each number from its webhook to its brand."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.errors import SmsError, StoreUnavailable
from connectors.ids import mask
from connectors.registration import Registration
from connectors.settings import Settings
from connectors.standings import Standings
from connectors.store import Store
from connectors.ten_dlc import Standing, Verdict, judge
from connectors.twilio_account import TwilioAccount
from connectors.twilio_client import TwilioClient
from connectors.wiring import astray
from local.doctor import assistants, rate, words
from local.doctor.finding import Finding

PATIENCE_SECONDS = 5.0
# Delivery reports, lookups and sessions are compared with Twilio's times.
CLOCK_SECONDS = 30.0


async def look(settings: Settings) -> list[Finding]:
    """The numbers are those of TWILIO_NUMBERS, and what the assistants' files claim."""
    client = TwilioClient(settings.twilio, timeout=PATIENCE_SECONDS)
    account = TwilioAccount(client)
    try:
        status = await account.status()
    except SmsError as error:
        return [unreachable(settings, error)]
    else:
        findings = [whole(settings, status), clock(client.clock_ahead_seconds)]
        return findings + await numbers(settings, account)
    finally:
        await client.close()


def unreachable(settings: Settings, error: SmsError) -> Finding:
    check = "check TWILIO_ACCOUNT_SID, its token or key, and the way to api.twilio.com"
    mend = "start it: `make services`" if settings.twilio.pretend else check
    return Finding(_name(settings), False, str(error), mend)


def whole(settings: Settings, status: str) -> Finding:
    do = "" if status == "active" else "see the Console: it cannot send"
    return Finding(_name(settings), status == "active", status, do)


def _name(settings: Settings) -> str:
    return "Pretend Twilio" if settings.twilio.pretend else "Twilio account"


def clock(ahead: float | None) -> Finding:
    """Seconds that ours is ahead of Twilio's."""
    if ahead is None:
        return Finding("Clock", None, "Twilio's answer had no date to compare it with")
    off = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Twilio's"
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("Clock", True, off)
    return Finding("Clock", False, off, "let this machine keep time (NTP)")


async def numbers(settings: Settings, account: TwilioAccount) -> list[Finding]:
    try:
        found = await account.registrations(assistants.ours(settings))
    except SmsError as error:
        seen = f"Twilio does not tell about the numbers: {error}"
        return [Finding("Numbers", None, seen, "let the API key read numbers and messaging")]
    told = await carriers(settings, account, found)
    return [
        finding
        for number, registration in found.items()
        for finding in about(settings, registration, told.get(number))
    ]


async def carriers(
    settings: Settings, account: TwilioAccount, numbers: Iterable[str]
) -> dict[str, Standing]:
    """What delivery reports said in the last hour, where they told of something."""
    store = Store.connect(settings.redis_url)
    standings = Standings(store, account, lambda: numbers, settings.twilio.strict_10dlc)
    try:
        known = {number: await standings.recall(number) for number in numbers}
    except StoreUnavailable:
        return {}  # said already
    finally:
        await store.close()
    return {number: standing for number, standing in known.items() if standing.code}


def about(settings: Settings, found: Registration, told: Standing | None) -> list[Finding]:
    name, strict = mask(found.number), settings.twilio.strict_10dlc
    if settings.twilio.pretend and not found.owned:
        return [new_to_pretend_twilio(f"Number {name}")]
    findings = [approval(f"Number {name}", judge(found), strict)]
    if told:
        findings.append(Finding(f"Reports on {name}", False, told.seen, told.do))
    if found.owned:
        findings.append(texts(f"Texts to {name}", found, settings.twilio.public_url))
    if found.campaign and found.brand:
        findings.append(pace(f"Rate of {name}", found, settings.segments_per_second))
    if found.campaign and (assistant := assistants.answering(found.number)):
        findings.append(words.compare(f"Words of {name}", found.campaign, assistant))
    return findings


def new_to_pretend_twilio(name: str) -> Finding:
    seen = "the pretend Twilio does not have it yet: it learns of numbers at its start"
    return Finding(name, False, seen, "restart `make run`")


def approval(name: str, standing: Standing, strict: bool) -> Finding:
    if standing.verdict is Verdict.APPROVED:
        return Finding(name, True, standing.seen)
    if standing.verdict is Verdict.UNKNOWN:
        return Finding(name, None, standing.seen, standing.do)
    silent = "customers get no answer from it" if strict else "carriers drop what it sends"
    return Finding(name, False, f"{standing.seen}, so {silent}", standing.do)


def texts(name: str, found: Registration, public_url: str) -> Finding:
    trouble = astray(found, public_url)
    if trouble is None:
        return Finding(name, True, "come to PUBLIC_URL")
    return Finding(name, False, trouble, "`make import-number` mends it")


def pace(name: str, found: Registration, ours: float | None) -> Finding:
    assert found.campaign  # asked before
    assert found.brand
    words = rate.in_words(found.campaign, found.brand)
    most = rate.per_second(found.campaign, found.brand)
    if ours is None or ours <= most:
        return Finding(name, True, words)
    seen = f"{words}, and SEGMENTS_PER_SECOND is {ours:g}"
    return Finding(name, False, seen, f"set it to {most:g} or less, or Twilio's queue grows")
