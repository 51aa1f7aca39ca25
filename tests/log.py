"""Reads the session log as tests want it."""

from __future__ import annotations

import json
from typing import Any

from connectors import keys
from connectors.store import Store


async def log_of(store: Store) -> list[dict[str, Any]]:
    """Every record on the stream, oldest first, its data as an object."""
    entries = await store.client.xrange(keys.LOG)
    return [{**fields, "data": json.loads(fields["data"])} for _, fields in entries]
