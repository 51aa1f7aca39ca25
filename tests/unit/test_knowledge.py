"""What a business puts into a folder is read, cut, found, and found again after a change."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from actions.knowledge import library as library_room
from actions.knowledge.documents import blocks_of
from actions.knowledge.embeddings import Embedder
from actions.knowledge.index import Found, WordIndex
from actions.knowledge.library import Library, fused, read
from actions.knowledge.passages import LONGEST, Passage
from actions.knowledge.words import tokenizer
from connectors.settings import ROOT, Model
from tests.fakes.model import FakeModel

SHOWCASE = ROOT / "assistants" / "showcase"


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.md").write_text(content)
    return folder


async def found(library: Library, question: str) -> list[str]:
    return [each.passage.text for each in await library.search(question)]


# Reading and cutting


def test_a_passage_knows_the_headings_it_stands_below(tmp_path: Path) -> None:
    write(
        tmp_path,
        rent="# Rentals\n\nIntro.\n\n## Prices\n\n| a | b |\n|---|---|\n| x | $5 |\n\nPer day.\n"
        "\n### Late\n\n```\n# no heading\n```\n\n# Other\nEnd.",
    )
    assert [(p.heading, p.text) for p in read(tmp_path)] == [
        ("Rentals", "Intro."),
        ("Rentals > Prices", "| a | b |\n|---|---|\n| x | $5 |\n\nPer day."),
        ("Rentals > Prices > Late", "```\n# no heading\n```"),
        ("Other", "End."),
    ]


def test_passages_are_short_and_nothing_is_lost(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(2_000)]
    write(tmp_path, long="# Long\n\n" + " ".join(words) + "\n\n" + "x" * 3_000)
    passages = read(tmp_path)
    assert max(len(passage.text) for passage in passages) <= LONGEST + 1
    text = " ".join(passage.text for passage in passages)
    assert set(words) <= set(text.split())
    assert text.count("x") == 3_000


def test_a_pdf_is_read_with_its_pages() -> None:
    blocks = blocks_of(SHOWCASE / "warranty.pdf")
    assert blocks[0].headings == ("Warranty conditions", "page 1")
    text = " ".join(block.text for block in blocks)
    assert "lifetime warranty for the first owner" in text


def test_what_cannot_be_read_is_said_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    write(tmp_path, good="Good.")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 no more")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / ".hidden.md").write_text("Hidden.")
    (tmp_path / "picture.png").write_bytes(b"x")
    with capture_logs() as logs:
        files = {passage.file for passage in read(tmp_path)}
    assert files == {"good.md", "latin.txt"}
    assert [line["file"] for line in logs] == ["bad.pdf"]


# Searching by words


@pytest.mark.parametrize(
    "question",
    ["ebike", "e-bike", "E-Bikes?", "do you have electric e bikes", "EBIKE rental NEAR me"],
)
async def test_words_are_found_however_they_are_written(tmp_path: Path, question: str) -> None:
    library = Library(write(tmp_path, a="E-bikes are $30.", b="Tandems are $24."))
    assert (await found(library, question))[0] == "E-bikes are $30."


@pytest.mark.parametrize(
    "question", ["", "   ", "???", '"', "* OR NOT (", "the", "NEAR(a b)", "a:b", "😀"]
)
async def test_no_question_is_an_error(tmp_path: Path, question: str) -> None:
    library = Library(write(tmp_path, a="E-bikes are $30."))
    assert len(await library.search(question)) <= 1


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("es", "Las bicicletas se alquilan por día.", "alquilar una bicicleta"),
        ("de", "Fahrräder werden montags repariert.", "Fahrrad reparieren"),
        ("fr", "Les vélos électriques sont loués.", "velo electrique"),
        ("pt-BR", "Aluguel de bicicletas elétricas.", "alugueis bicicleta eletrica"),
        ("ja", "自転車のレンタルは一日三千円です。", "自転車のレンタルはいくらですか"),
        ("zh", "自行车出租每天两百元。", "自行车出租多少钱"),
    ],
)
def test_other_languages(language: str, text: str, question: str) -> None:
    passages = [Passage("x.md", "", "nothing of the kind"), Passage("y.md", "", text)]
    index = WordIndex(passages, tokenizer((language,)))
    assert [each.passage.text for each in index.search(question, 3)] == [text]


async def test_a_change_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_room, "LOOK_AGAIN_SECONDS", 0)
    library = Library(write(tmp_path, a="Tandems are $24."))
    assert await found(library, "unicycle") == []
    write(tmp_path, b="Unicycles are $9.")
    assert await found(library, "unicycle") == ["Unicycles are $9."]
    (tmp_path / "b.md").unlink()
    assert await found(library, "unicycle") == []


async def test_an_empty_folder_has_no_answers(tmp_path: Path) -> None:
    assert await Library(tmp_path).search("anything") == []


# Searching by meaning, too

BICYCLE, TALL = {"bicycle", "bike", "velocipede"}, {"tall", "height"}
PRICE = {"price", "costs", "expensive", "$30."}


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel(meanings=[BICYCLE, TALL, PRICE]) as model:
        yield model


@pytest.fixture
async def embedder(model: FakeModel) -> AsyncIterator[Embedder]:
    embedder = Embedder(Model(model.base_url, "none", "default"), "an-embedding-model")
    yield embedder
    await embedder.close()


def by_meaning(embedder: Embedder, folder: Path) -> Library:
    return Library(folder, embedder=embedder, cache=folder / "cache.db")


async def test_other_words_with_the_same_meaning_are_found(
    embedder: Embedder, tmp_path: Path
) -> None:
    folder = write(tmp_path, a="A bike costs $30.", b="Riders must be tall.")
    assert await found(Library(folder), "velocipede") == []
    assert (await found(by_meaning(embedder, folder), "velocipede"))[0] == "A bike costs $30."


async def test_a_passage_is_paid_for_once(
    model: FakeModel, embedder: Embedder, tmp_path: Path
) -> None:
    folder = write(tmp_path, a="A bike costs $30.", b="Riders must be tall.")
    await found(by_meaning(embedder, folder), "velocipede")
    write(folder, c="A new one about height.")
    await found(by_meaning(embedder, folder), "velocipede")  # as after a restart
    passages = [len(texts) for texts in model.embedded]
    assert passages == [2, 1, 1, 1]  # both files, a question; the new file, a question


async def test_without_embeddings_words_must_do(
    model: FakeModel, embedder: Embedder, tmp_path: Path
) -> None:
    model.meanings = None
    library = by_meaning(embedder, write(tmp_path, a="A bike costs $30."))
    with capture_logs() as logs:
        assert await found(library, "bike") == ["A bike costs $30."]
    assert "knowledge.no_embeddings" in [line["event"] for line in logs]


async def test_an_endpoint_that_fails_later_is_no_failure(
    model: FakeModel, embedder: Embedder, tmp_path: Path
) -> None:
    library = by_meaning(embedder, write(tmp_path, a="A bike costs $30."))
    await found(library, "bike")
    model.meanings = None
    assert await found(library, "bike") == ["A bike costs $30."]


def test_what_both_find_comes_first() -> None:
    a, b, c = (Found(Passage(name, "", name), 1.0) for name in "abc")
    assert [each.passage.file for each in fused([[a, b], [c, b]])] == ["b", "a", "c"]


def test_the_showcase_can_be_copied(tmp_path: Path) -> None:
    shutil.copytree(SHOWCASE, tmp_path / "mine")
    assert len(read(tmp_path / "mine")) == len(read(SHOWCASE)) > 50
