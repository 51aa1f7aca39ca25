"""Lengths: how long a session lasts without a message, which an assistant's file may say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sql

from connectors.assistants import Assistants
from review import tables

_s = tables.sessions.c


@dataclass(frozen=True)
class Lengths:
    """In milliseconds. `of` has the assistants whose sessions last longer or shorter than usual."""

    usual: int = 0
    of: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_assistants(cls, assistants: Assistants, usual_seconds: int) -> Lengths:
        own = {
            each.id: each.session_seconds * 1000
            for each in assistants.by_id.values()
            if each.session_seconds is not None
        }
        return cls(usual_seconds * 1000, own)

    def over(self, row: Mapping[str, Any], now_ms: int) -> bool:
        """Has this session ended? Its end is on record soon after, but not if Redis was lost."""
        lasts = self.of.get(row["assistant"], self.usual)
        return bool(row["ended_ms"]) or bool(row["last_ms"] < now_ms - lasts)

    def live(self, now_ms: int) -> Any:
        """The same for a query: sessions that have not ended."""
        longest = max([self.usual, *self.of.values()])
        spans = [
            sql.and_(_s.assistant == name, _s.last_ms >= now_ms - lasts)
            for name, lasts in self.of.items()
        ]
        usual = sql.and_(_s.assistant.not_in(list(self.of)), _s.last_ms >= now_ms - self.usual)
        # The first is for the index.
        return sql.and_(_s.ended_ms == 0, _s.last_ms >= now_ms - longest, sql.or_(usual, *spans))
