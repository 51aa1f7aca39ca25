"""The bench's parts work: customers of the world outside text the hand-written bot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.sides import redis, running, sides
from bench.world import Times, World

pytestmark = pytest.mark.integration


def test_customers_text_and_are_answered(tmp_path: Path) -> None:
    side = sides(tmp_path / "no-model.tar.gz")["floor"]
    with (
        World() as world,
        redis(tmp_path / "valkey") as port,
        running(side, world, port, tmp_path / "log") as started,
    ):
        world.model_takes = 0.02
        times = world.run(world.load(customers=5, seconds=1.5))
        assert times.lost == 0
        assert len(times.answered) == len(times.acknowledged) >= 5
        assert min(times.answered) > 0.02
        assert times.per_second(settle=0) > 0
        assert started.memory_mb() > 10
        turns: list[int] = []

        def after_each(times: Times) -> None:
            turns.append(len(times.answered))

        world.run(world.conversation(turns=3, seconds=30, after_each=after_each))
        assert turns == [1, 2, 3]
        # The third question shows the model what was said before.
        assert len(json.loads(world.last_asked)["messages"]) == 5
