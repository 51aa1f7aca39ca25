"""Whose the entries of a store's stream are."""

from __future__ import annotations

from connectors.store import Store
from review.origins import origin_name


async def origin(store: Store) -> str:
    return origin_name(await store.id_key())
