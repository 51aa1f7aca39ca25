"""What several tests share: real servers, on ports that the system chose."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.settings import ROOT
from connectors.store import Store
from local.ports import free_port
from tests.postgresql import Postgresql
from tests.valkey import Valkey

# Importing Sanic sets uvloop's policy, whose loops hang when they are closed beside others.
# Imported here, it cannot do so in the middle of a test.
importlib.import_module("sanic.server")
asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The plain loop for asynchronous tests, too."""
    return asyncio.DefaultEventLoopPolicy()


@pytest.fixture(scope="session")
def trained() -> None:
    """There is a Rasa model, and it is not older than what it was trained from."""
    subprocess.run([sys.executable, "-m", "local.training"], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Valkey for all tests that leave it standing."""
    valkey = Valkey(free_port(), tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey.url
    valkey.stop()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own, to be frozen and killed."""
    valkey = Valkey(free_port(), tmp_path)
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
async def store(valkey_url: str) -> AsyncIterator[Store]:
    """A store on an empty Valkey."""
    store = Store.connect(valkey_url)
    await store.client.flushall()
    yield store
    await store.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """One PostgreSQL for all tests that leave it standing."""
    server = Postgresql()
    server.start()
    yield server
    server.stop()
