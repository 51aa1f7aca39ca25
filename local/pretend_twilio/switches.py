"""The chaos switches of the phone page: each is one word for a few odds. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from local.pretend_twilio.troubles import Odds, PostingOdds

_SLOW_MS = (300, 2000)
_ERRORS = (("429", 0.2), ("500", 0.1), ("500 after", 0.15), ("cut", 0.1), ("cut after", 0.15))
_REPORTS = PostingOdds(duplicate=0.5, late=0.7, delay_ms=(500, 4000), reorder=0.3)


@dataclass(frozen=True)
class Switch:
    is_on: Callable[[Odds], bool]
    on: Callable[[Odds], Odds]
    off: Callable[[Odds], Odds]

    def turned(self, odds: Odds, on: bool) -> Odds:
        return self.on(odds) if on else self.off(odds)


def _duplicates(odds: Odds, duplicate: float) -> Odds:
    webhooks = replace(odds.webhooks, duplicate=duplicate, copies=(2, 3), together=0.5)
    return replace(odds, webhooks=webhooks)


def _slow(odds: Odds) -> Odds:
    return replace(
        odds,
        messages=replace(odds.messages, latency_ms=_SLOW_MS),
        webhooks=replace(odds.webhooks, late=1, delay_ms=_SLOW_MS),
    )


def _prompt(odds: Odds) -> Odds:
    return replace(
        odds,
        messages=replace(odds.messages, latency_ms=(0, 0)),
        webhooks=replace(odds.webhooks, late=0),
    )


def _errors(odds: Odds, errors: tuple[tuple[str, float], ...]) -> Odds:
    return replace(odds, messages=replace(odds.messages, odds=errors))


def _reports(odds: Odds, reports: PostingOdds) -> Odds:
    return replace(odds, callbacks=reports)


SWITCHES = {
    "duplicates": Switch(
        is_on=lambda odds: odds.webhooks.duplicate > 0,
        on=lambda odds: _duplicates(odds, 1),
        off=lambda odds: _duplicates(odds, 0),
    ),
    "slow": Switch(
        is_on=lambda odds: odds.webhooks.late > 0 or odds.messages.latency_ms[1] > 0,
        on=_slow,
        off=_prompt,
    ),
    "errors": Switch(
        is_on=lambda odds: odds.messages.is_troubled,
        on=lambda odds: _errors(odds, _ERRORS),
        off=lambda odds: _errors(odds, ()),
    ),
    "reports": Switch(
        is_on=lambda odds: odds.callbacks.is_troubled,
        on=lambda odds: _reports(odds, _REPORTS),
        off=lambda odds: _reports(odds, PostingOdds()),
    ),
}
