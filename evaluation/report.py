"""What came of a run: figures, tables, and how they compare with the run before."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from connectors.assistant import Prices
from evaluation.checks import Answer
from evaluation.play import Played

MILLION = 1_000_000
MOST_KEPT = 100


@dataclass(frozen=True)
class Row:
    """Runs of a case, or of all cases with a tag. Times in ms; `dollars` is None if not known."""

    name: str
    passed: int
    runs: int
    p50: int
    p95: int
    segments: float  # of an answer, on average
    tokens: int
    dollars: float | None

    @property
    def rate(self) -> float:
        return self.passed / self.runs if self.runs else 0.0


@dataclass(frozen=True)
class Result:
    """A whole run, as it is kept."""

    at: str
    model: str
    total: Row
    tags: tuple[Row, ...]
    cases: tuple[Row, ...]

    def write(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def read(cls, kept: str) -> Result:
        fields: dict[str, Any] = json.loads(kept)
        return cls(
            at=fields["at"],
            model=fields["model"],
            total=Row(**fields["total"]),
            tags=tuple(Row(**row) for row in fields["tags"]),
            cases=tuple(Row(**row) for row in fields["cases"]),
        )


def result(played: Sequence[Played], prices: Mapping[str, Prices | None], at: str) -> Result:
    """`prices` are each assistant's."""
    names = dict.fromkeys(each.case.name for each in played)
    tags = sorted({tag for each in played for tag in each.case.tags})
    models = {turn.answer.model for each in played for turn in each.turns} - {""}
    return Result(
        at=at,
        model=", ".join(sorted(models)),
        total=_row("all", played, prices),
        tags=tuple(
            _row(tag, [each for each in played if tag in each.case.tags], prices) for tag in tags
        ),
        cases=tuple(
            _row(name, [each for each in played if each.case.name == name], prices)
            for name in names
        ),
    )


def _row(name: str, played: Sequence[Played], prices: Mapping[str, Prices | None]) -> Row:
    answers = [turn.answer for each in played for turn in each.turns]
    times = sorted(answer.ms for answer in answers)
    costs = [
        _dollars(turn.answer, prices.get(each.case.assistant))
        for each in played
        for turn in each.turns
    ]
    return Row(
        name=name,
        passed=sum(each.passed for each in played),
        runs=len(played),
        p50=percentile(times, 50),
        p95=percentile(times, 95),
        segments=round(statistics.fmean(a.segments for a in answers), 2) if answers else 0.0,
        tokens=sum(answer.prompt_tokens + answer.completion_tokens for answer in answers),
        dollars=None if None in costs else round(sum(filter(None, costs)), 6),
    )


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The nearest rank: a value that occurred. 0 of nothing."""
    if not ordered:
        return 0
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]


def _dollars(answer: Answer, prices: Prices | None) -> float | None:
    if prices is None:
        return None
    asked, said = answer.prompt_tokens, answer.completion_tokens
    return (asked * prices.prompt + said * prices.completion) / MILLION


HEADER = f"{'':44} passed        p50 s  p95 s  segments  tokens  dollars"


def table(result: Result, before: Result | None) -> Iterator[str]:
    """Lines: each case, each tag, everything; what changed since the run before stands behind."""
    known = {("case", r.name): r for r in before.cases} if before else {}
    known |= {("tag", r.name): r for r in before.tags} if before else {}
    yield HEADER
    for row in result.cases:
        yield _line(row, row.name, known.get(("case", row.name)))
    yield ""
    for row in result.tags:
        yield _line(row, f"tag {row.name}", known.get(("tag", row.name)))
    yield _line(result.total, "all", before.total if before else None)


def _line(row: Row, name: str, before: Row | None) -> str:
    passed = f"{row.passed}/{row.runs}"
    dollars = "-" if row.dollars is None else f"{row.dollars:.4f}"
    return (
        f"{name[:44]:44} {passed:>7} {row.rate:4.0%} {row.p50 / 1000:6.1f} {row.p95 / 1000:6.1f}"
        f"  {row.segments:8.1f} {row.tokens:7} {dollars:>8}{_change(row, before)}"
    )


def _change(row: Row, before: Row | None) -> str:
    if before is None or round(row.rate, 2) == round(before.rate, 2):
        return ""
    return f"  {'better' if row.rate > before.rate else 'WORSE'}: it was {before.rate:.0%}"


def failed(played: Iterable[Played]) -> Iterator[str]:
    """What went wrong, with the words, so that one can see whether the case or the answer is."""
    for each in played:
        wrong = [turn for turn in each.turns if turn.failures]
        if wrong:
            yield f"\n{each.case.name}"
        for turn in wrong:
            yield f"  customer  {turn.customer}"
            yield f"  answer    {turn.answer.text}".replace("\n", "\n            ")
            yield from (f"  but       {failure}" for failure in turn.failures)


def keep(folder: Path, result: Result) -> Path:
    """Write a run beside the earlier ones, of which the oldest go."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.at.replace(':', '')}.json"
    file.write_text(result.write(), encoding="utf-8")
    for old in sorted(folder.glob("*.json"))[:-MOST_KEPT]:
        old.unlink()
    return file


def last(folder: Path) -> Result | None:
    """The run before; None if there is none, or none that can be read."""
    for file in sorted(folder.glob("*.json"), reverse=True)[:1]:
        try:
            return Result.read(file.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError):
            return None
    return None
