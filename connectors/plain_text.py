"""Markdown as a phone shows it: plain text, its links whole. Pure.

Models write Markdown unasked. Text that has none comes out as it went in, but for blank lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

_LINKS = LinkifyIt()
_LEFT_OVER = re.compile(r"(?<!\d)\*\*(\S(?:[^*\n]*\S)?)\*\*")


class _Verbatim(MarkdownIt):
    """Leaves links as they were written: any change could lead elsewhere."""

    def normalizeLink(self, url: str) -> str:
        return url

    def normalizeLinkText(self, link: str) -> str:
        return link

    def validateLink(self, url: str) -> bool:
        return True


# What is switched off would swallow plain text: "> 18 only", "[1]: ...", lines with a margin.
_PARSER = (
    _Verbatim("commonmark", {"html": False, "linkify": True})
    .enable(["table", "linkify"])
    .disable(["blockquote", "reference", "code", "html_block", "html_inline"])
)


# Paragraphs whose lines begin with a letter, without a sign that could mean something. Most answers
# are no more than that, and reading Markdown takes ten times as long as all else that is done to
# them.
_LINE = r"[^\W\d_](?:[\w ,.:;!?'\"()$%/+-]*[\w,.:;!?'\"()$%/+-])?"
_NO_MARKDOWN = re.compile(rf"{_LINE}(?:\n\n?{_LINE})*")


def plain_text(markdown: str) -> str:
    """What it says, without the signs. A link becomes its words and its address in brackets."""
    if "_" not in markdown and _NO_MARKDOWN.fullmatch(markdown):
        return markdown
    return _read(markdown)


def _read(markdown: str) -> str:
    return _blocks(Node(_PARSER.parse(_escaped(markdown))), "\n\n")


def _escaped(markdown: str) -> str:
    """The parser sees by itself that https://x/_a_ is no emphasis, but not in x.com/_a_."""
    for link in reversed(_LINKS.match(markdown) or []):
        if not link.schema:
            raw = re.sub(r"([*_])", r"\\\1", link.raw)
            markdown = markdown[: link.index] + raw + markdown[link.last_index :]
    return markdown


def _blocks(parent: Node, between: str) -> str:
    shown = ((node.type, _block(node)) for node in parent.children)
    text, before = "", ""
    for kind, block in shown:
        if not block:
            continue
        # A list belongs to the line above it.
        gap = "\n" if kind.endswith("_list") and before in ("paragraph", "heading") else between
        text, before = f"{text}{gap}{block}" if text else block, kind
    return text


def _block(node: Node) -> str:
    if node.type in ("paragraph", "heading"):
        return _blocks(node, "")
    if node.type == "inline":
        return _words(node).strip()
    if node.type == "fence":
        return node.content.rstrip()
    if node.type in ("bullet_list", "ordered_list"):
        return "\n".join(
            f"{mark} {_item(item)}".rstrip()
            for mark, item in zip(_marks(node), node.children, strict=True)
        )
    if node.type == "table":
        return "\n".join(_row(row) for part in node.children for row in part.children)
    return ""  # a line across the page


def _item(item: Node) -> str:
    """Only a list within a list is indented: a line after the last item is often meant for all."""
    return "\n".join(
        f"\n{_block(node)}".replace("\n", "\n  ")[1:]
        if node.type.endswith("_list")
        else _block(node)
        for node in item.children
    )


def _marks(items: Node) -> list[str]:
    """The numbers as they were written, unless Markdown was to count: 1., 1., 1."""
    if items.type == "bullet_list":
        return ["+" if item.markup == "+" else "-" for item in items.children]
    numbers = [item.info for item in items.children]
    if len(set(numbers)) == 1:
        numbers = [str(int(numbers[0]) + index) for index in range(len(numbers))]
    return [f"{n}{item.markup}" for n, item in zip(numbers, items.children, strict=True)]


def _row(row: Node) -> str:
    cells = [_blocks(cell, "") for cell in row.children]
    return (": " if len(cells) == 2 else ", ").join(cell for cell in cells if cell)


def _words(node: Node) -> str:
    return "".join(_INLINE.get(child.type, _content)(child) for child in node.children)


def _content(node: Node) -> str:
    return node.content


def _text(node: Node) -> str:
    """Without the stars that CommonMark does not take for a pair: **Note:**like this."""
    return _LEFT_OVER.sub(r"\1", node.content)


def _line_break(_: Node) -> str:
    return "\n"


def _emphasis(node: Node) -> str:
    """Its words; but 2*3*4 is a product, and 2**3**4 a power."""
    before, after = node.previous_sibling, node.next_sibling
    beside = (before.content[-1:] if before else "") + (after.content[:1] if after else "")
    is_sum = any(char.isdigit() if node.type == "strong" else char.isalnum() for char in beside)
    return f"{node.markup}{_words(node)}{node.markup}" if is_sum else _words(node)


def _link(node: Node) -> str:
    address = str(node.attrs.get("href") or node.attrs.get("src") or "")
    address = address.removeprefix("mailto:").removeprefix("tel:")
    words = (_words(node) or node.content).strip()
    if node.info == "auto" or words == address or not address:
        return words
    return f"{words} ({address})" if words else address


_INLINE: Mapping[str, Callable[[Node], str]] = {
    "text": _text,
    "softbreak": _line_break,
    "hardbreak": _line_break,
    "em": _emphasis,
    "strong": _emphasis,
    "link": _link,
    "image": _link,
}
