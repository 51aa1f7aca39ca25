"""What was measured, as a table and a picture."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = {
    "ours": "ours",
    "stock": "stock Rasa",
    "floor": "hand-written",
    "settling": "ours, 400 ms settle",
}
COLOURS = {"ours": "#1f9d6b", "stock": "#d9822b", "floor": "#5b8def", "settling": "#9aa0a6"}
INK = "#8b949e"  # readable on white and on black
SLOWER = "100+100"  # customers, and milliseconds that Twilio takes
PROCESSOR = "cpu_"  # then so many customers, a blank, and whose it is
VALKEY = "Valkey"
WORLD = "customers, model and Twilio"
OUTSIDE = (VALKEY, WORLD)
WINDOW = 10  # turns on either side of the tenth, and at the end
ROWS = (
    ("answers a second, 1 customer", "rate_1", ".1f"),
    ("answers a second, 20 customers", "rate_20", ".0f"),
    ("answers a second, 100 customers", "rate_100", ".0f"),
    ("answers a second, 100 customers, Twilio takes 100 ms", f"rate_{SLOWER}", ".0f"),
    ("acknowledged, 1 customer, p50, ms", "ack_p50_1", ".0f"),
    ("acknowledged, 100 customers, p50, ms", "ack_p50_100", ".0f"),
    ("acknowledged, 100 customers, p99, ms", "ack_p99_100", ".0f"),
    ("answer minus model, 1 customer, p50, ms", "over_p50_1", ".0f"),
    ("answer minus model, 1 customer, p99, ms", "over_p99_1", ".0f"),
    ("answer minus model, 100 customers, p50, ms", "over_p50_100", ".0f"),
    ("answer minus model, 100 customers, p99, ms", "over_p99_100", ".0f"),
    ("texts without acknowledgement or answer", "lost", ".0f"),
    ("memory of all its processes, MB", "memory_mb", ".0f"),
    ("start until it answers, s", "ready_s", ".1f"),
    ("a write to Redis during the round, ms", "write_ms", ".1f"),
)


@dataclass
class Growth:
    """One conversation, turn by turn."""

    overhead_ms: list[float] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    _total: int = 0

    def start(self, total: int) -> None:
        self._total = total

    def add(self, overhead_ms: float, total: int) -> None:
        self.overhead_ms.append(overhead_ms)
        self.written.append(total - self._total)
        self._total = total

    @property
    def turns(self) -> int:
        return len(self.overhead_ms)

    def early(self, of: Sequence[float]) -> float:
        """The median around turn 10; the first turns are left out."""
        return statistics.median(of[WINDOW // 2 : WINDOW // 2 + WINDOW])

    def late(self, of: Sequence[float]) -> float:
        return statistics.median(of[-2 * WINDOW :])


@dataclass
class Results:
    """Values by side and metric, one of each round; and each side's long conversation."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    growth: dict[str, Growth] = field(default_factory=dict)

    def add(self, side: str, metric: str, value: float) -> None:
        metric = "lost" if metric.startswith("lost") else metric
        self.values.setdefault(side, {}).setdefault(metric, []).append(value)

    def median(self, side: str, metric: str) -> float:
        found = self.values.get(side, {}).get(metric)
        return statistics.median(found) if found else math.nan


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all values do not exceed; NaN of none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def table(results: Results, rounds: int) -> str:
    """Markdown: the goals, then everything."""
    shown = [side for side in NAMES if side in results.values]
    lines = [
        "# Beside stock Rasa and a hand-written bot",
        "",
        f"`make bench` on {machine()}, all sides and the customers on the same machine; the model"
        " takes 200 ms. Each customer texts again as soon as there is an answer.",
        "",
        *_goals(results),
        "| | " + " | ".join(NAMES[side] for side in shown) + " |",
        "|---|" + "---|" * len(shown),
    ]
    for label, metric, form in ROWS:
        cells = [_cell(results, side, metric, form) for side in shown]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    for label, attribute, form in (
        ("overhead at turn 10, ms", "overhead_ms", ".0f"),
        ("bytes to Redis at turn 10", "written", ",.0f"),
    ):
        lines += _growth_rows(results, shown, label, attribute, form)
    return "\n".join([*lines, "", *_processor(results, shown), *_notes(rounds)]) + "\n"


def _cell(results: Results, side: str, metric: str, form: str) -> str:
    found = results.values[side].get(metric)
    if not found:
        return ""
    if metric == "lost":
        return f"{sum(found):{form}}"
    middle = f"{statistics.median(found):{form}}"
    low, high = f"{min(found):{form}}", f"{max(found):{form}}"
    return middle if low == high else f"{middle} ({low} to {high})"


def _growth_rows(
    results: Results, shown: Sequence[str], label: str, attribute: str, form: str
) -> list[str]:
    early, late = [], []
    for side in shown:
        growth = results.growth.get(side)
        if growth is None:
            early.append("")
            late.append("")
            continue
        series = getattr(growth, attribute)
        early.append(f"{growth.early(series):{form}}")
        late.append(f"{growth.late(series):{form}} at turn {growth.turns:,}")
    last = label.replace("at turn 10", "at the end of a long conversation")
    return [f"| {label} | {' | '.join(early)} |", f"| {last} | {' | '.join(late)} |"]


def _processor(results: Results, shown: Sequence[str]) -> list[str]:
    """Where the time goes: what a goal was missed for."""
    busy = f"{PROCESSOR}100 "
    metrics = {metric for side in shown for metric in results.values[side] if busy in metric}
    parts = sorted(
        (metric.removeprefix(busy) for metric in metrics), key=lambda part: (part in OUTSIDE, part)
    )
    if not parts:
        return []
    lines = [
        "Time of the processors for an answer, 100 customers, ms:",
        "",
        "| | " + " | ".join(NAMES[side] for side in shown) + " |",
        "|---|" + "---|" * len(shown),
    ]
    for part in parts:
        cells = [_cell(results, side, busy + part, ".1f") for side in shown]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return [*lines, ""]


def _goals(results: Results) -> list[str]:
    if not {"ours", "stock", "floor"} <= results.growth.keys():
        return []
    growth = results.growth["ours"]
    grown = growth.late(growth.overhead_ms) / growth.early(growth.overhead_ms)
    bytes_grown = growth.late(growth.written) / growth.early(growth.written)
    faster = results.median("ours", "rate_100") / results.median("stock", "rate_100")
    far = f"rate_{SLOWER}"
    faster_far = results.median("ours", far) / results.median("stock", far)
    slower = results.median("ours", "ack_p99_100") / results.median("floor", "ack_p99_100")
    idle = results.median("ours", "over_p50_1")
    turns = f"turn {growth.turns:,}"
    rows = (
        (
            "answers a second of 100 customers, ours / stock",
            faster,
            ".1f",
            "at least 6",
            faster >= 6,
        ),
        (
            "the same, when Twilio takes 100 ms for a message",
            faster_far,
            ".1f",
            "at least 6",
            faster_far >= 6,
        ),
        (
            "acknowledgement p99 of 100, ours / hand-written",
            slower,
            ".1f",
            "at most 2",
            slower <= 2,
        ),
        ("overhead of an idle turn, ms", idle, ".0f", "under 20", idle < 20),
        (f"overhead, {turns} / turn 10", grown, ".2f", "at most 1.2", grown <= 1.2),
        (
            f"bytes to Redis, {turns} / turn 10",
            bytes_grown,
            ".2f",
            "at most 1.2",
            bytes_grown <= 1.2,
        ),
    )
    return [
        "| goal | | measured | |",
        "|---|---|---|---|",
        *(
            f"| {what} | {goal} | {value:{form}} | {'met' if met else '**missed**'} |"
            for what, value, form, goal, met in rows
        ),
        "",
    ]


def _notes(rounds: int) -> list[str]:
    spread = f"Median of {rounds} rounds, with the lowest and the highest. " if rounds > 1 else ""
    return [
        f"{spread}Ours is `make run` with one Rasa process. It waits `REPLY_SETTLE_MS` for more"
        " texts before it answers: 0 in the comparison, as the others do not wait, and 400, its"
        " default, in the column that says so. Its processes are Rasa, the action server, the app"
        " to review conversations and the launcher.",
        "",
        "Stock Rasa is 3.6.21 with its own Twilio channel, RedisTrackerStore, RedisLockStore and a"
        " custom action that asks the model (`bench/stock/`). It acknowledges a text only after it"
        " was answered. The hand-written bot (`bench/floor.py`) acknowledges at once and keeps a"
        " list in Redis: a text that it holds when it dies is lost, a webhook that comes twice is"
        " answered twice, two texts may be answered in any order. It is the floor: what the least"
        " costs.",
        "",
        "Twilio's stand-in takes a message at once, which is best for stock Rasa: it lets all"
        " customers wait while it sends. One row has a Twilio that takes 100 ms, as over a network."
        " A write to Redis is what the disk takes; ours waits for five of them before an answer"
        " leaves, so that no crash loses or doubles it.",
        "",
        "Ours asks Twilio for delivery reports, three for each answer, and takes them in during"
        " the measurement; the other two ask for none. All use the same Valkey, with every write"
        " on the disk before it is acknowledged. The long conversation has a model that takes no"
        " time, and ends after its turns or its time, whichever comes first.",
    ]


def machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def picture(results: Results, path: Path) -> None:
    """How a long conversation grows, and answers a second. Readable in light and dark."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style = {
        "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK,
        "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
        "font.size": 11, "svg.hashsalt": "bench", "legend.frameon": False,
    }  # fmt: skip
    with pyplot.rc_context(style):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.8))
        _draw_growth(left, results)
        _draw_rates(right, results)
        figure.tight_layout()
        figure.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(figure)


def _draw_growth(axes: Any, results: Results) -> None:
    axes.set_title("one long conversation: ms around the model")
    axes.set_xlabel("turn")
    for side, growth in results.growth.items():
        smooth = [
            statistics.median(growth.overhead_ms[max(0, at - WINDOW) : at + WINDOW])
            for at in range(growth.turns)
        ]
        axes.plot(range(1, growth.turns + 1), smooth, color=COLOURS[side], label=NAMES[side])
    axes.set_ylim(bottom=0)
    axes.legend()


def _draw_rates(axes: Any, results: Results) -> None:
    axes.set_title("answers a second, by customers at once")
    shown = [side for side in NAMES if side in results.growth]
    groups = ("1", "20", "100")
    width = 0.8 / max(len(shown), 1)
    for number, side in enumerate(shown):
        values = [results.median(side, f"rate_{group}") for group in groups]
        places = [at + number * width for at in range(len(groups))]
        bars = axes.bar(places, values, width * 0.9, color=COLOURS[side], label=NAMES[side])
        axes.bar_label(bars, [f"{value:.0f}" for value in values], color=INK, fontsize=9)
    axes.set_xticks([at + width * (len(shown) - 1) / 2 for at in range(len(groups))], groups)
