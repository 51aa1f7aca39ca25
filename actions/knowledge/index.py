"""Passages in SQLite's full-text index, in memory: found by their words, best first (BM25)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from actions.knowledge.passages import Passage
from actions.knowledge.words import joined, query

# Of file, heading, text and joined: a word in a heading says more than one in the text.
WEIGHTS = (1.0, 2.0, 1.0, 1.0)


@dataclass(frozen=True)
class Found:
    """A passage and how well it fits: more is better, and only the order means anything."""

    passage: Passage
    score: float


class WordIndex:
    """Finds passages by words. Not for several threads at the same moment."""

    def __init__(self, passages: Sequence[Passage], tokenize: str) -> None:
        self.passages = list(passages)
        self.tokenize = tokenize
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute(
            "CREATE VIRTUAL TABLE passage USING"
            f" fts5(file, heading, text, joined, tokenize='{tokenize}')"
        )
        rows = [
            (number, _words(p.file), p.heading, p.text, joined(f"{p.heading} {p.text}"))
            for number, p in enumerate(passages)
        ]
        self._db.executemany(
            "INSERT INTO passage (rowid, file, heading, text, joined) VALUES (?, ?, ?, ?, ?)", rows
        )

    def search(self, text: str, most: int) -> list[Found]:
        asked = query(text, self.tokenize)
        if not asked:
            return []
        rows = self._db.execute(
            "SELECT rowid, bm25(passage, ?, ?, ?, ?) AS score FROM passage WHERE passage MATCH ?"
            " ORDER BY score, rowid LIMIT ?",
            (*WEIGHTS, asked, most),
        )
        # SQLite's BM25 is less for better.
        return [Found(self.passages[number], -score) for number, score in rows]

    def close(self) -> None:
        self._db.close()


def _words(file: str) -> str:
    return file.rpartition(".")[0].replace("-", " ").replace("_", " ").replace("/", " ")
