"""Writes what happens to the stream, as the connectors do, without Rasa."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from connectors import keys
from connectors.ids import sortable_id
from connectors.session_log import DROPPED, OPENED, SENT, STATUS, TEXT, TURN, SessionLog
from connectors.store import Store

BUSINESS, ADA, BEN = "+15550100001", "+15550109999", "+15550108888"
_sids = count(1)


@dataclass
class Customer:
    """One customer's session, step by step. `bodies` is what was said, in order."""

    store: Store
    number: str = ADA
    conversation: str = "a" * 32
    session: str = field(default_factory=sortable_id)
    bodies: list[str] = field(default_factory=list)

    async def record(self, kind: str, data: Mapping[str, Any], session: str | None = None) -> None:
        await SessionLog(self.store).write(
            kind,
            data,
            conversation=self.conversation,
            session=self.session if session is None else session,
        )

    async def opens(self) -> None:
        await self.record(OPENED, {"business": BUSINESS, "customer": self.number})

    async def texts(self, body: str) -> str:
        sid = f"SM{next(_sids):032x}"
        numbers = {"business": BUSINESS, "customer": self.number}
        await self.record(TEXT, {"sid": sid, **numbers, "body": body, "media": 0})
        self.bodies.append(body)
        return sid

    async def is_told(self, body: str, *sids: str, **changes: Any) -> str:
        """A turn that answers these texts with one part; the part's id."""
        part = f"{self.conversation}.{sortable_id()}"
        turn = {
            "texts": list(sids),
            "events": events("hello", body),
            "parts": [{"id": part, "body": body, "encoding": "GSM-7", "units": 5, "segments": 1}],
            "tries": 1,
            "seconds": 1.5,
            "failed": "",
            **changes,
        }
        await self.record(TURN, turn)
        self.bodies.append(body)
        return part

    async def gets(self, part: str, status: str = "delivered", error_code: str = "") -> None:
        sid = f"SM{next(_sids):032x}"
        await self.record(SENT, {"part": part, "sid": sid, "status": "queued"})
        report = {"part": part, "sid": sid, "status": status, "error_code": error_code}
        await self.record(STATUS, report, session="")

    async def loses(self, part: str, reason: str, code: int = 0) -> None:
        await self.record(DROPPED, {"part": part, "reason": reason, "code": code})

    async def talks(self, body: str, answer: str) -> str:
        """A text, its answer, and the carrier's word that it arrived; the part's id."""
        part = await self.is_told(answer, await self.texts(body))
        await self.gets(part)
        return part


def events(heard: str, said: str, intent: str = "nlu_fallback", **told: Any) -> list[Any]:
    """A turn as Rasa writes it."""
    return [
        {
            "event": "user",
            "timestamp": 1.0,
            "text": heard,
            "parse_data": {"intent": {"name": intent, "confidence": 0.9}, "entities": []},
        },
        {
            "event": "action",
            "timestamp": 2.0,
            "name": "action_llm_reply",
            "policy": "LlmPolicy",
            "confidence": 1.0,
        },
        {
            "event": "bot",
            "timestamp": 3.0,
            "text": said,
            "metadata": {
                "outcome": "answered",
                "model": "small",
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "latency_ms": 900,
                **told,
            },
        },
        {"event": "action", "timestamp": 4.0, "name": "action_listen"},
    ]


async def raw(store: Store, **fields: str) -> None:
    """An entry as nobody of ours would write it."""
    await store.client.xadd(keys.LOG, fields)


def as_json(data: object) -> str:
    return json.dumps(data)
