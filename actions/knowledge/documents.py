"""A business's files as blocks of text below headings: Markdown, plain text, PDF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

KINDS = (".md", ".txt", ".pdf")
LARGEST_BYTES = 20_000_000

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
# A page's lines end where the paper did; a sentence goes on in the next one.
_SOFT_BREAK = re.compile(r"(?<=[^\s.!?:;])\n(?=[a-z(])")
_HYPHENATED = re.compile(r"(?<=[a-z])-\n(?=[a-z])")


@dataclass(frozen=True)
class Block:
    """A paragraph, a list or a table; `headings` are those it stands below, the file's first."""

    headings: tuple[str, ...]
    text: str


def files_in(folder: Path) -> list[Path]:
    """What can be read, in the order of names."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def blocks_of(file: Path) -> list[Block]:
    """Nothing for a file that cannot be read; the log says why."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES // 1_000_000} MB")
        return list(_blocks(file))
    except (OSError, ValueError) as error:
        log.error("knowledge.unreadable", file=file.name, reason=str(error))
        return []


def _blocks(file: Path) -> Iterator[Block]:
    title = file.stem.replace("-", " ").replace("_", " ")
    if file.suffix.lower() == ".pdf":
        yield from _of_pdf(file, title)
        return
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    yield from _of_markdown(text, title) if file.suffix.lower() == ".md" else _of_text(text, title)


def _of_pdf(file: Path, title: str) -> Iterator[Block]:
    import pypdf  # here, because it takes 20 MB: only who has such a file pays for it

    try:
        reader = pypdf.PdfReader(file)
        stated = reader.metadata.title if reader.metadata else None
        texts = [page.extract_text() for page in reader.pages]
    except pypdf.errors.PyPdfError as error:
        raise ValueError(str(error)) from error
    if not any(text.strip() for text in texts):
        raise ValueError("it has no text, only pictures; let a scanner's software read it first")
    for number, text in enumerate(texts, 1):
        flowing = _SOFT_BREAK.sub(" ", _HYPHENATED.sub("", text))
        for block in _of_text(flowing, stated or title):
            yield Block((*block.headings, f"page {number}"), block.text)


def _of_text(text: str, title: str) -> Iterator[Block]:
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip():
            yield Block((title,), paragraph.strip())


def _of_markdown(text: str, title: str) -> Iterator[Block]:
    headings: list[str] = []
    lines: list[str] = []
    in_code = False
    for line in [*text.splitlines(), ""]:
        in_code ^= bool(_FENCE.match(line))
        heading = None if in_code else _HEADING.match(line)
        if lines and (heading or not (line.strip() or in_code)):
            yield Block(tuple(filter(None, headings)) or (title,), "\n".join(lines).strip())
            lines = []
        if heading:
            depth = len(heading[1])
            headings = [*(headings + [""] * depth)[: depth - 1], heading[2]]
        elif line.strip() or in_code:
            lines.append(line)
    if lines:
        yield Block(tuple(filter(None, headings)) or (title,), "\n".join(lines).strip())
