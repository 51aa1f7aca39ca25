"""The verdict of the chaos suite must be able to go red: made-up evidence, one fault at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.verdict import Evidence, Record, Verdict


def user(*sids: str) -> Record:
    return {"event": "user", "metadata": {"texts": [{"sid": sid} for sid in sids]}}


def bot(text: str) -> Record:
    return {"event": "bot", "text": text}


def record(kind: str, **data: Any) -> Record:
    return {"kind": kind, "data": data}


def turn(texts: list[str], part: str, *events: Record) -> Record:
    return record("turn", texts=texts, events=list(events), parts=[{"id": part}])


FIRST = (user("SM1"), bot("one"))
SECOND = (user("SM2", "SM3"), bot("two"))
WELL = Evidence(
    acknowledged=["SM1", "SM2", "SM3"],
    events=[*FIRST, *SECOND],
    log=[
        *(record("text", sid=f"SM{n}") for n in (1, 2, 3)),
        turn(["SM1"], "p1", *FIRST),
        record("part.sent", part="p1", sid="SMa"),
        record("part.status", sid="SMa", status="sent"),
        record("part.status", sid="SMa", status="delivered"),
        turn(["SM2", "SM3"], "p2", *SECOND),
        record("part.sent", part="p2", sid="SMb"),
    ],
    messages=[{"sid": "SMa", "body": "one"}, {"sid": "SMb", "body": "two"}],
)


def heard(evidence: Evidence) -> Verdict:
    verdict = Verdict("")
    verdict.hear(evidence)
    return verdict


def test_all_is_well() -> None:
    verdict = heard(WELL)
    assert verdict.clean
    assert (verdict.texts, verdict.answered) == (3, 3)


@pytest.mark.parametrize(
    ("fault", "column"),
    [
        ({"acknowledged": ["SM1", "SM2", "SM3", "SM4"]}, "lost"),
        ({"messages": WELL.messages[:1]}, "lost"),
        ({"messages": [*WELL.messages, {"sid": "SMc", "body": "two"}]}, "doubled"),
        ({"events": [*WELL.events, *FIRST]}, "doubled"),
        ({"messages": WELL.messages[::-1]}, "disordered"),
        ({"acknowledged": ["SM2", "SM1", "SM3"]}, "disordered"),
    ],
)
def test_a_fault_stands_in_its_column(fault: dict[str, Any], column: str) -> None:
    verdict = heard(replace(WELL, **fault))
    assert getattr(verdict, column) > 0
    assert not verdict.clean
    assert verdict.answered == 0


@pytest.mark.parametrize(
    "log",
    [
        WELL.log[1:],  # a text that nobody wrote down
        [*WELL.log, turn(["SM1"], "p3", *FIRST)],
        [*WELL.log, record("part.sent", part="p2", sid="SMc")],
        [*WELL.log, record("part.status", sid="SMa", status="sent")],  # back from delivered
        [record("part.dropped", part="p1"), *WELL.log],  # and yet it was sent
    ],
)
def test_a_log_that_tells_otherwise_is_noticed(log: list[Record]) -> None:
    verdict = heard(replace(WELL, log=log))
    assert verdict.disagreed
    assert not verdict.clean


def test_what_still_waits_is_noticed() -> None:
    assert not heard(replace(WELL, waiting=1)).clean
