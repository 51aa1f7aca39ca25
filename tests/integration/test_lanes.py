"""Who works on which customer: the worker of a lane, at its start and its end."""

from __future__ import annotations

import asyncio

import pytest

from connectors.lanes import Claim, Lane, Worker
from connectors.store import Store

pytestmark = pytest.mark.integration


async def nothing(_: Claim) -> None: ...


async def test_a_worker_ends_at_whatever_moment_it_is_stopped(valkey_url: str) -> None:
    """Also while it connects, when redis-py swallows the first request to end."""
    for turns_of_the_loop in range(0, 40, 2):
        store = Store.connect(valkey_url)
        worker = Worker(Lane(store, "inbox", 4), nothing, concurrency=4)
        worker.start()
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        await worker.stop()
        assert all(task.done() for task in worker._loops), turns_of_the_loop
        await store.close()
