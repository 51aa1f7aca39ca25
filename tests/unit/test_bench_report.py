"""The bench's table says what was measured, and names a goal that was missed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.report import SLOWER, Growth, Results, percentile, picture, table


def grown(turns: int, first: float, last: float) -> Growth:
    growth = Growth()
    growth.start(0)
    for turn in range(turns):
        growth.add(first + (last - first) * turn / turns, total=1000 * (turn + 1))
    return growth


@pytest.fixture
def results() -> Results:
    results = Results()
    rates = {"ours": [90.0, 120.0, 100.0], "stock": [10.0, 10.0, 10.0], "floor": [200.0] * 3}
    for side, values in rates.items():
        for value in values:
            results.add(side, "rate_100", value)
            results.add(side, f"rate_{SLOWER}", value / 2 if side == "stock" else value)
            results.add(side, "cpu_100 Valkey", 2.0)
            results.add(side, "ack_p99_100", 300.0 if side == "ours" else 100.0)
            results.add(side, "over_p50_1", 12.0)
            results.add(side, "lost_1", 0.0)
            results.add(side, "lost_100", 2.0 if side == "floor" else 0.0)
        results.add(side, "cpu_100 bot" if side == "floor" else "cpu_100 Rasa", 7.25)
        results.growth[side] = grown(250, 10.0, 100.0 if side == "stock" else 10.0)
    return results


def row(text: str, beginning: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {beginning}"))


def test_a_cell_is_the_median_and_its_spread(results: Results) -> None:
    cells = row(table(results, 3), "answers a second, 100 customers").split(" | ")
    assert cells[1:] == ["100 (90 to 120)", "10", "200 |"]


def test_a_missed_goal_is_called_missed(results: Results) -> None:
    text = table(results, 3)
    assert row(text, "answers a second of 100").endswith("| 10.0 | met |")
    assert row(text, "the same, when Twilio").endswith("| 20.0 | met |")
    assert row(text, "acknowledgement p99 of 100").endswith("| 3.0 | **missed** |")
    assert row(text, "overhead, turn 250").endswith("| 1.00 | met |")


def test_texts_that_were_lost_are_counted_and_not_averaged(results: Results) -> None:
    assert row(table(results, 3), "texts without").split(" | ")[1:] == ["0", "0", "6 |"]


def test_the_time_of_the_processors_has_a_line_for_each_process(results: Results) -> None:
    text = table(results, 3)
    assert row(text, "Rasa |").split(" | ")[1:] == ["7.2", "7.2", " |"]
    assert row(text, "bot |").split(" | ")[1:] == ["", "", "7.2 |"]
    assert text.index("| Rasa |") < text.index("| bot |") < text.index("| Valkey |")


def test_growth_says_how_far_it_came(results: Results) -> None:
    late = row(table(results, 3), "overhead at the end").split(" | ")
    assert late[1:] == ["10 at turn 250", "96 at turn 250", "10 at turn 250 |"]


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99)) == (50.0, 99.0)
    assert percentile([7.0], 99) == 7.0
    assert math.isnan(percentile([], 50))


def test_the_picture_names_every_side(results: Results, tmp_path: Path) -> None:
    picture(results, tmp_path / "bench.svg")
    drawn = (tmp_path / "bench.svg").read_text()
    assert all(f"<!-- {name} -->" in drawn for name in ("ours", "stock Rasa", "hand-written"))
