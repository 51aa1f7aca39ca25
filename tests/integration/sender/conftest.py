"""A post office for a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from connectors.store import Store
from tests.integration.sender.post import SORRY, Post, Troubled, troubled_twilio, working
from tests.pretend_business import pretend_config


@pytest.fixture
def twilio() -> Iterator[tuple[Troubled, str]]:
    # Messages stay queued for ever, so that no report comes unless the test sends it.
    with troubled_twilio(pretend_config("http://127.0.0.1:9", queued_ms=10**8)) as twilio:
        yield twilio


@pytest.fixture
async def post(store: Store, twilio: tuple[Troubled, str]) -> AsyncIterator[Post]:
    async with working(Post(store, *twilio)) as post:
        yield post


@pytest.fixture
async def sorry_post(store: Store, twilio: tuple[Troubled, str]) -> AsyncIterator[Post]:
    """Its customers get a sentence instead of late replies; their session lives."""
    async with working(Post(store, *twilio, apology=SORRY)) as post:
        yield post
