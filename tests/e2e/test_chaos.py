"""Whatever breaks: every acknowledged text has exactly one answer, and answers keep their order.

Real processes, the pretend Twilio's chaos mode, kills by signal. Every storm prints its seed;
SEED=... repeats them, `make soak` goes on for longer.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.big_run import big_run
from tests.e2e.blows import STORMS, rage
from tests.e2e.chaos import Storm
from tests.e2e.figures import slow_customers, without_valkey
from tests.e2e.processes import Forked
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.e2e.verdict import Verdict
from tests.fakes.model import FakeModel, Says

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ROUNDS = 6
BLOWS = 3


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with scripted_model() as model:
        model.script = [Says("Answer {n}.", seconds=0.2)]
        yield model


@pytest.fixture(scope="module")
def business(
    trained: None, model: FakeModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Two Rasa processes on one Redis; Twilio knows the first one."""
    folder = tmp_path_factory.mktemp("chaos")
    with rehearsal(model.base_url, folder, rasas=2, starter=Forked) as business:
        yield business


@pytest.mark.parametrize("trouble", STORMS)
def test_every_acknowledged_text_is_answered_once_and_in_order(
    business: Rehearsal, table: list[Verdict], seed: int, trouble: str
) -> None:
    odds, blow = STORMS[trouble]
    with Storm(business, trouble, seed + list(STORMS).index(trouble)) as storm:
        verdict = rage(storm, odds, blow, ROUNDS, BLOWS)
    table.append(verdict)
    assert verdict.clean, f"seed {seed}: {verdict}"
    assert verdict.answered == verdict.texts


def test_many_texts_while_one_process_after_the_other_is_killed(
    business: Rehearsal, table: list[Verdict], seed: int
) -> None:
    with Storm(business, "", seed + 50) as storm:
        verdict = big_run(storm, texts=150, customers=50)
    table.append(verdict)
    assert verdict.clean, f"seed {seed}: {verdict}"
    assert verdict.answered == verdict.texts == 150


def test_slow_customers_delay_nobody_else(
    business: Rehearsal, model: FakeModel, table: list[Verdict], seed: int
) -> None:
    with Storm(business, "", seed + 100) as storm:
        verdict = slow_customers(storm, model, slow=8, others=20)
    table.append(verdict)
    assert verdict.clean
    assert verdict.done["slow ones answered before the others"] == 0


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_without_valkey_every_webhook_is_told_so(
    business: Rehearsal, table: list[Verdict], seed: int, how: str
) -> None:
    with Storm(business, "", seed + 200) as storm:
        verdict = without_valkey(storm, how, texts=30)
    table.append(verdict)
    assert verdict.clean
    assert verdict.done["answers with 503"] == 30
    assert verdict.answered == 30
