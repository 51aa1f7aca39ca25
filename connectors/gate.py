"""The gate: may this leave, and if not, why? Pure.

Nothing is sent to anybody who did not text first, in a session that is still live; who has opted
out is told so once and then left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.consent import OUT, OUT_AT_TWILIO
from connectors.part import HELP, OPTED_OUT, REPLY


@dataclass(frozen=True)
class Facts:
    """What is known about a conversation at this moment.

    `session` is the live one's id, "" if there is none; `between` are the two numbers, ours first,
    of the text that opened it. `consent` is the ledger's word. `unapproved` says why our number may
    not answer. `segments_left` is what the day's brake leaves; `minute_left` and `day_left` what
    the limits of this customer leave. None is no limit.
    """

    session: str
    between: tuple[str, str]
    consent: str
    ledger_is_whole: bool
    unapproved: str = ""
    segments_left: int | None = None
    minute_left: int | None = None
    day_left: int | None = None


@dataclass(frozen=True)
class Errand:
    """What wants to leave: a part of a kind. No `session`: any live one will do."""

    between: tuple[str, str]
    session: str | None = None
    kind: str = REPLY
    segments: int = 1


@dataclass(frozen=True)
class Refusal:
    """`reason` for programs, `do` for people. `for_now`: it may be allowed in a moment."""

    reason: str
    do: str
    for_now: bool = False


LEDGER_INCOMPLETE = Refusal(
    "ledger_incomplete",
    "wait: who has opted out is being read from the session log",
    for_now=True,
)
NO_SESSION = Refusal(
    "no_session",
    "wait for the customer's next text: only customers open a conversation, and no session is live",
)
OTHER_SESSION = Refusal(
    "session_over", "nothing: it belongs to a session that is over, and the customer may text again"
)
NOT_THEIR_SESSION = Refusal(
    "not_opened_by_a_text", "wait for the customer to text: no text of theirs opened this session"
)
IS_OPTED_OUT = Refusal("opted_out", "nothing, unless the customer texts START")
NOBODY_GETS_IT = Refusal(
    "not_sent",
    "name output_channel=twilio_sms: what nobody gets must not stand in a customer's session",
)
TURN_IS_OVER = Refusal(
    "turn_over", "say it in the turn, or set a reminder: the channel ends with the turn"
)
BRAKE = Refusal("segments_per_day", "raise LIMIT_SEGMENTS_PER_DAY, or wait for tomorrow (UTC)")
CUSTOMER_MINUTE = Refusal(
    "customer_segments_per_minute",
    "wait a minute, or raise LIMIT_CUSTOMER_SEGMENTS_PER_MINUTE",
    for_now=True,
)
CUSTOMER_DAY = Refusal(
    "customer_segments_per_day", "raise LIMIT_CUSTOMER_SEGMENTS_PER_DAY, or wait for tomorrow"
)


def why_not(errand: Errand, facts: Facts) -> Refusal | None:
    """The first reason not to let it leave, or None."""
    for rule in _RULES:
        refusal = rule(errand, facts)
        if refusal:
            return refusal
    return None


def _ledger(_: Errand, facts: Facts) -> Refusal | None:
    return None if facts.ledger_is_whole else LEDGER_INCOMPLETE


def _number(_: Errand, facts: Facts) -> Refusal | None:
    return Refusal("number_not_approved", facts.unapproved) if facts.unapproved else None


def _consent(errand: Errand, facts: Facts) -> Refusal | None:
    is_out = facts.consent in (OUT, OUT_AT_TWILIO)
    # HELP is answered even then; but what Twilio's own list holds back would not arrive.
    may = {OPTED_OUT: facts.consent == OUT, HELP: facts.consent != OUT_AT_TWILIO}
    return None if may.get(errand.kind, not is_out) else IS_OPTED_OUT


def _session(errand: Errand, facts: Facts) -> Refusal | None:
    if errand.kind == OPTED_OUT:
        return None  # STOP has just ended it
    if not facts.session:
        return NO_SESSION
    if errand.session not in (None, facts.session):
        return OTHER_SESSION
    return None if facts.between == errand.between else NOT_THEIR_SESSION


def _brake(errand: Errand, facts: Facts) -> Refusal | None:
    if facts.segments_left is None or errand.kind == OPTED_OUT:
        return None
    return BRAKE if errand.segments > facts.segments_left else None


def _customer(errand: Errand, facts: Facts) -> Refusal | None:
    """The message that reaches a limit still leaves whole. Keywords are answered all the same, and
    the notice of a limit comes once a day."""
    if errand.kind != REPLY:
        return None
    if facts.day_left is not None and facts.day_left <= 0:
        return CUSTOMER_DAY
    if facts.minute_left is not None and facts.minute_left <= 0:
        return CUSTOMER_MINUTE
    return None


_RULES: tuple[Callable[[Errand, Facts], Refusal | None], ...] = (
    _number,
    _ledger,
    _consent,
    _session,
    _brake,
    _customer,
)
