"""How often the passage that answers a customer's question is found. Run with -s for the table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML

from actions.knowledge.index import WordIndex
from actions.knowledge.library import read
from actions.knowledge.words import ENGLISH
from connectors.settings import ROOT

FOLDER = ROOT / "assistants" / "showcase"
QUESTIONS = YAML(typ="safe").load((ROOT / "tests" / "knowledge" / "questions.yml").read_text())


@dataclass(frozen=True)
class Asked:
    """A question, and the place at which its answer was found; 0: not among the first five."""

    question: str
    place: int


@pytest.fixture(scope="module")
def asked() -> list[Asked]:
    index = WordIndex(read(FOLDER), ENGLISH)
    return [Asked(each["ask"], place(index, each["ask"], each["has"])) for each in QUESTIONS]


def place(index: WordIndex, question: str, has: str) -> int:
    found = index.search(question, 5)
    places = (n for n, each in enumerate(found, 1) if _plain(has) in _plain(each.passage.text))
    return next(places, 0)


def _plain(text: str) -> str:
    return " ".join(text.split())


def recall(asked: list[Asked], at: int) -> float:
    return sum(0 < each.place <= at for each in asked) / len(asked)


def test_every_question_has_its_answer_in_exactly_one_passage() -> None:
    passages = [_plain(passage.text) for passage in read(FOLDER)]
    assert len(QUESTIONS) >= 60
    for each in QUESTIONS:
        assert sum(_plain(each["has"]) in text for text in passages) == 1, each


def test_what_customers_ask_is_found(asked: list[Asked]) -> None:
    rows = [f"recall@{at}  {recall(asked, at):6.1%}" for at in (1, 3, 5)]
    missed = [f"  not found: {each.question}" for each in asked if not each.place]
    print(f"\n{len(asked)} questions, by words (BM25)", *rows, *missed, sep="\n")
    assert recall(asked, 1) >= 0.62
    assert recall(asked, 3) >= 0.85
    assert recall(asked, 5) >= 0.88
