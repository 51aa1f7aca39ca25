"""An office for a test, and the session store that its Rasa saves to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from rasa.shared.core.domain import Domain

from connectors.session_store import SessionStore
from connectors.store import Store
from tests.integration.office import Office, office_of


@pytest.fixture
async def sessions(
    store: Store, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SessionStore]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REPLY_SETTLE_MS", "0")
    sessions = SessionStore(Domain.empty())
    yield sessions
    await sessions.store.close()


@pytest.fixture
async def office(store: Store, sessions: SessionStore) -> AsyncIterator[Office]:
    office = office_of(store, sessions)
    yield office
    await office.worker.stop()
