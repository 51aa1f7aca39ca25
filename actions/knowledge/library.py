"""One assistant's knowledge: its folder, indexed, and indexed again when a file changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from actions.knowledge.documents import blocks_of, files_in
from actions.knowledge.embeddings import CACHE, Embedder, MeaningIndex, NoEmbeddings, VectorCache
from actions.knowledge.index import Found, WordIndex
from actions.knowledge.passages import Passage, passages_of
from actions.knowledge.words import tokenizer
from connectors.assistant import Assistant
from connectors.settings import Settings

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 5.0
TRY_AGAIN_SECONDS = 60.0
# Of each kind of search; what both find comes first.
CANDIDATES = 20
# Reciprocal rank fusion: places count, because the two kinds of score cannot be compared.
FUSION = 60

_Versions = dict[Path, tuple[int, int]]


class Library:
    """Searches one folder. With an embedder by meaning as well as by words."""

    def __init__(
        self,
        folder: Path,
        languages: tuple[str, ...] = ("en",),
        embedder: Embedder | None = None,
        cache: Path = CACHE,
    ) -> None:
        self.cache = cache
        self.folder = folder
        self.tokenize = tokenizer(languages)
        self.embedder = embedder
        self._words: WordIndex | None = None
        self._meaning: MeaningIndex | None = None
        self._seen: _Versions = {}
        self._looked = float("-inf")
        self._tried = float("-inf")
        self._reading = asyncio.Lock()

    async def search(self, question: str, most: int = 3) -> list[Found]:
        """The passages that fit best. Never raises for a file, or for an endpoint that fails."""
        words = await self._current()
        by_words = words.search(question, CANDIDATES)
        if self._meaning is None:
            return by_words[:most]
        try:
            by_meaning = await self._meaning.search(question, CANDIDATES)
        except NoEmbeddings as error:
            log.warning("knowledge.words_only", reason=str(error))
            return by_words[:most]
        return fused([by_words, by_meaning])[:most]

    async def _current(self) -> WordIndex:
        async with self._reading:
            if self._words is None or time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
                self._looked = time.monotonic()
                await self._read_if_changed()
            assert self._words is not None
            return self._words

    async def _read_if_changed(self) -> None:
        seen = await asyncio.to_thread(_versions, self.folder)
        if self._words is not None and seen == self._seen:
            await self._try_meaning_again()
            return
        passages = await asyncio.to_thread(read, self.folder)
        if self._words is not None:
            self._words.close()
        self._words, self._seen = WordIndex(passages, self.tokenize), seen
        self._meaning = await self._by_meaning(passages)
        log.info(
            "knowledge.read",
            folder=self.folder.name,
            files=len(seen),
            passages=len(passages),
            by_meaning=self._meaning is not None,
        )

    async def _try_meaning_again(self) -> None:
        is_time = time.monotonic() - self._tried >= TRY_AGAIN_SECONDS
        if self._meaning is None and self.embedder and self._words and is_time:
            self._meaning = await self._by_meaning(self._words.passages)

    async def _by_meaning(self, passages: Sequence[Passage]) -> MeaningIndex | None:
        if self.embedder is None:
            return None
        self._tried = time.monotonic()
        cache = VectorCache(self.cache)
        try:
            return await MeaningIndex.of(passages, self.embedder, cache)
        except NoEmbeddings as error:
            log.error(
                "knowledge.no_embeddings",
                model=self.embedder.name,
                reason=str(error),
                then=f"it is searched by words; asked again in {TRY_AGAIN_SECONDS:g} s",
            )
            return None
        finally:
            cache.close()


class Libraries:
    """Every assistant's, made when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._made: dict[tuple[str, tuple[str, ...], str | None], Library] = {}

    def of(self, assistant: Assistant) -> Library:
        assert assistant.knowledge is not None  # the tool's `needs` say so
        key = (assistant.knowledge, assistant.languages, assistant.embedding_model)
        if key not in self._made:
            name = assistant.embedding_model
            embedder = Embedder(self.settings.model, name) if name else None
            folder = self.settings.assistants_folder / assistant.knowledge
            self._made[key] = Library(folder, assistant.languages, embedder)
        return self._made[key]


def read(folder: Path) -> list[Passage]:
    """Every passage of every file."""
    return [
        passage
        for file in files_in(folder)
        for passage in passages_of(str(file.relative_to(folder)), blocks_of(file))
    ]


def fused(lists: Iterable[Sequence[Found]]) -> list[Found]:
    """One list out of several, best first: what stands high in one of them, or in both."""
    scores: dict[Passage, float] = {}
    for found in lists:
        for place, each in enumerate(found):
            scores[each.passage] = scores.get(each.passage, 0.0) + 1 / (FUSION + place)
    best = sorted(scores.items(), key=lambda item: -item[1])
    return [Found(passage, score) for passage, score in best]


def _versions(folder: Path) -> _Versions:
    found = {}
    for file in files_in(folder):
        status = file.stat()
        found[file] = (status.st_mtime_ns, status.st_size)
    return found
