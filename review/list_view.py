"""List view: a page of sessions as sessions.html is given it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from review.filters import REVIEWS, STATES, Filter
from review.listing import MOST_COUNTED, Page
from review.wording import AUTHORS, iso, long, money, seconds, short
from review.wording import STATES as STATE_WORDS

# Name, and what it is ordered by.
COLUMNS = (
    ("Customer", "opened"),
    ("Last words", ""),
    ("Marks", ""),
    ("Messages", "messages"),
    ("Slowest", "slowest"),
    ("Est. cost", "cost"),
    ("Last message", "last"),
)
_FIGURES = frozenset({"Messages", "Slowest", "Est. cost", "Last message"})
VIEWS = (
    ("All", ""),
    ("Unread", "review=unread"),
    ("Saved for later", "review=saved"),
    ("Waiting for a person", "state=waiting"),
    ("Delivery failed", "state=failed"),
    ("Opted out", "state=opted_out"),
    ("Flagged", "flagged=yes"),
)
_MORE_STATES = {
    **STATE_WORDS,
    "refused": "something was refused",
    "fallback": "answered by fallback",
}
# Folded away: name, label, type of the input, hint. Those with values to choose from get them.
MORE_FIELDS = (
    ("number", "Our number", "text", ""),
    ("assistant", "Assistant", "text", ""),
    ("ends", "Customer's last digits", "text", "4567"),
    ("tag", "Tag", "text", ""),
    ("flagged", "Flagged", "text", ""),
    ("intent", "Intent", "text", ""),
    ("action", "Action", "text", ""),
    ("policy", "Policy", "text", ""),
    ("slot", "Slot", "text", ""),
    ("tool", "Tool", "text", ""),
    ("model", "Model", "text", ""),
    ("error", "Delivery error", "text", ""),
    ("least", "Confidence from", "number", "0.0"),
    ("most", "Confidence to", "number", "1.0"),
    ("shortest", "Texts from", "number", ""),
    ("longest", "Texts to", "number", ""),
    ("after", "Opened after", "time", ""),
    ("before", "Opened before", "time", ""),
)

Choice = tuple[str, str]  # value, words


@dataclass(frozen=True)
class Field:
    name: str
    label: str
    type: str
    hint: str
    value: str
    choices: Sequence[Choice]


def rows(page: Page, now_ms: int, currency: str) -> list[dict[str, Any]]:
    return [row(found, now_ms, currency) for found in page.rows]


def row(found: Mapping[str, Any], now_ms: int, currency: str) -> dict[str, Any]:
    """One session as _row.html shows it."""
    return {
        "id": found["id"],
        "customer": found["customer"] or "shell",
        "number": found["business"],
        "assistant": found["assistant"] or "no assistant",
        "last_words": found["last_words"],
        "last_from": AUTHORS.get(found["last_from"], ""),
        "state": found["state"],
        "state_words": STATE_WORDS[found["state"]],
        "review": found["review"],
        "flags": found["flags"],
        "tags": found["tags"],
        "messages": found["texts"] + found["replies"],
        "slowest": seconds(found["slowest_ms"]),
        "cost": money(found["cost"], currency),
        "last_iso": iso(found["last_ms"]),
        "last_long": f"{long(found['last_ms'])} UTC",
        "last_short": short(found["last_ms"], now_ms),
    }


def found_words(page: Page) -> str:
    """How many, as the heading says it."""
    if page.count >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} sessions and more · times in UTC"
    return f"{page.count:,} session{'' if page.count == 1 else 's'} · times in UTC"


def columns(wanted: Filter) -> list[dict[str, Any]]:
    """Each leads to the list in its order, and the one that counts now to the other direction."""
    made = []
    for name, sort in COLUMNS:
        is_sorted = sort == wanted.sort
        order = "up" if is_sorted and wanted.down else "down"
        made.append(
            {
                "name": name,
                "path": f"/?{wanted.query(sort=sort, order=order)}" if sort else "",
                "sorted": ("descending" if wanted.down else "ascending") if is_sorted else "",
                "right": name in _FIGURES,
            }
        )
    return made


def views(wanted: Filter, saved: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The views that everybody has, and the saved ones."""
    here = wanted.query()
    listed = [{"name": name, "query": query, "id": 0} for name, query in VIEWS]
    listed += [{"name": one["name"], "query": one["query"], "id": one["id"]} for one in saved]
    return [
        {**view, "path": f"/?{view['query']}" if view["query"] else "/", "here": _same(view, here)}
        for view in listed
    ]


def _same(view: Mapping[str, Any], here: str) -> bool:
    return dict(parse_qsl(str(view["query"]))) == dict(parse_qsl(here))


def state_choices() -> list[Choice]:
    return [(state, _MORE_STATES[state]) for state in STATES]


def review_choices() -> list[Choice]:
    words = {"saved": "saved for later"}
    return [(review, words.get(review, review)) for review in REVIEWS]


def fields(wanted: Filter, known: Mapping[str, Sequence[Choice]]) -> list[Field]:
    """The filters that are folded away; one whose value nobody knows any more keeps it."""
    made = []
    for name, label, kind, hint in MORE_FIELDS:
        value = str(getattr(wanted, name))
        choices = list(known.get(name, ()))
        if value and choices and value not in dict(choices):
            choices.append((value, value))
        made.append(Field(name, label, kind, hint, value, choices))
    return made


def folded(wanted: Filter) -> int:
    """How many of the folded filters are in use."""
    return sum(bool(getattr(wanted, name)) for name, *_ in MORE_FIELDS)
