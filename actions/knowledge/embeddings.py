"""Passages found by meaning: vectors from the same OpenAI-compatible endpoint, kept on disk."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actions.knowledge.index import Found
from actions.knowledge.passages import Passage
from actions.openai_api import ApiError, OpenAiApi
from connectors.settings import VAR, Model

BATCH = 64
BATCH_SECONDS = 30.0
QUESTION_SECONDS = 3.0
CACHE = VAR / "embeddings.db"

_NONE = np.zeros((0, 1), np.float32)
Vectors = Any  # a numpy array of float32, one row each, each row of length 1


class NoEmbeddings(Exception):
    """The endpoint gave none; says why."""


class Embedder:
    """Asks one model of one endpoint for vectors."""

    def __init__(self, model: Model, name: str) -> None:
        self.name = name
        self._api = OpenAiApi(model)

    async def vectors(self, texts: Sequence[str], seconds: float = BATCH_SECONDS) -> Vectors:
        """Raises NoEmbeddings."""
        try:
            answer = await self._api.post(
                "/embeddings",
                {"model": self.name, "input": list(texts), "encoding_format": "float"},
                seconds=seconds,
            )
            rows = np.asarray([each["embedding"] for each in answer["data"]], dtype=np.float32)
        except (ApiError, asyncio.TimeoutError, ValueError, TypeError, KeyError) as error:
            raise NoEmbeddings(type(error).__name__) from error
        if rows.ndim != 2 or len(rows) != len(texts):
            raise NoEmbeddings("not one vector for each text")
        return _unit(rows)

    async def close(self) -> None:
        await self._api.close()


class VectorCache:
    """Vectors by model and content: a passage that did not change is never paid for twice."""

    def __init__(self, file: Path = CACHE) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=5, check_same_thread=False)
        os.chmod(file, 0o600)
        self._db.execute("CREATE TABLE IF NOT EXISTS vector (hash TEXT PRIMARY KEY, row BLOB)")

    def get(self, model: str, text: str) -> Vectors | None:
        row = self._db.execute(
            "SELECT row FROM vector WHERE hash = ?", (_hash(model, text),)
        ).fetchone()
        return np.frombuffer(row[0], dtype=np.float32) if row else None

    def put(self, model: str, texts: Sequence[str], vectors: Vectors) -> None:
        rows = [(_hash(model, t), v.tobytes()) for t, v in zip(texts, vectors, strict=True)]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)

    def close(self) -> None:
        self._db.close()


class MeaningIndex:
    """Finds passages by the cosine between vectors."""

    def __init__(self, passages: Sequence[Passage], vectors: Vectors, embedder: Embedder) -> None:
        self.passages = list(passages)
        self.vectors = vectors
        self.embedder = embedder

    @classmethod
    async def of(
        cls, passages: Sequence[Passage], embedder: Embedder, cache: VectorCache
    ) -> MeaningIndex:
        """Raises NoEmbeddings; what was computed until then is in the cache."""
        texts = [f"{p.heading}\n{p.text}" for p in passages]
        missing = [text for text in dict.fromkeys(texts) if cache.get(embedder.name, text) is None]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            cache.put(embedder.name, batch, await embedder.vectors(batch))
        rows = [cache.get(embedder.name, text) for text in texts]
        vectors = np.stack([row for row in rows if row is not None]) if rows else _unit(_NONE)
        return cls(passages, vectors, embedder)

    async def search(self, text: str, most: int) -> list[Found]:
        """Raises NoEmbeddings."""
        [asked] = await self.embedder.vectors([text], QUESTION_SECONDS)
        if asked.shape != self.vectors.shape[1:]:
            raise NoEmbeddings("the vectors have another length than those of the passages")
        scores = self.vectors @ asked
        best = np.argsort(-scores, kind="stable")[:most]
        return [Found(self.passages[number], float(scores[number])) for number in best]


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-9)


def _hash(model: str, text: str) -> str:
    return hashlib.sha256(f"{model}\0{text}".encode()).hexdigest()
