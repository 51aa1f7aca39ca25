"""Links that the business never gave: a model makes them up, or somebody made it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

import regex
from linkify_it import LinkifyIt
from linkify_it.main import Match

REMOVED = "[link removed]"

_LINKS = LinkifyIt()
# Every link has one of these inside; most texts have not, and need no closer look.
_MAY_BE_LINK = regex.compile(r"[.:/@]\S")
# Without http:// or www., many a missing blank looks like an address: "at the shop.In case".
_CERTAIN = regex.compile(
    r"(?i)www\.|.*/|.*\..*\.|.*\.(?:com|net|org|io|co|app|info|biz|xyz|top|link|me)\Z"
)


def hosts(texts: Iterable[str]) -> frozenset[str]:
    """Whose links may be sent: every host that is named in these texts."""
    return frozenset(host for text in texts for host in _named(text))


@lru_cache(maxsize=64)  # of prompts, which are long, and read again in every turn
def _named(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(_host, _links(text))))


def without_strange_links(text: str, known: frozenset[str]) -> str:
    """The text with words in brackets where a link led elsewhere."""
    for link in reversed(_links(text)):
        if _is_link(link) and not _is_known(_host(link), known):
            text = f"{text[: link.index]}{REMOVED}{text[link.last_index :]}"
    return text


def _links(text: str) -> list[Match]:
    return (_LINKS.match(text) or []) if _MAY_BE_LINK.search(text) else []


def _is_link(link: Match) -> bool:
    return link.schema != "mailto:" and (bool(link.schema) or bool(_CERTAIN.match(link.raw)))


def _is_known(host: str, known: frozenset[str]) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in known)


def _host(link: Match) -> str:
    if link.schema == "mailto:":
        return ""
    try:
        return (urlsplit(str(link.url)).hostname or "").removeprefix("www.")
    except ValueError:  # a bracket where none may be
        return ""
