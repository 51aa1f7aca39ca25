"""What the chaos suite shares: a seed, and a table that is printed in the end."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.verdict import HEADER, Verdict

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


@pytest.fixture(scope="session")
def seed() -> int:
    """SEED=... repeats the luck of another run."""
    return SEED


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[list[Verdict]]:
    """All verdicts, printed in the end, also when every test has passed."""
    verdicts: list[Verdict] = []
    yield verdicts
    capture: Any = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n\nseed {SEED}\n{HEADER}")
        for verdict in verdicts:
            print(verdict.row())
