"""Two installations that share one Redis by mistake are told so, and nothing is divided."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors import keys
from connectors.database_identity import database_id
from connectors.errors import AnotherInstallation, StoreUnavailable
from connectors.installation import Installation
from connectors.session_log import TURN, SessionLog
from connectors.settings import ROOT
from connectors.store import Store
from local.parts import child_environ
from review.database import Database
from review.prices import Prices
from review.projection import Projection
from review.taker import Taker

pytestmark = pytest.mark.integration


def address(folder: Path, name: str) -> str:
    return f"sqlite:///{folder}/{name}.db"


@pytest.fixture
async def ours(store: Store, tmp_path: Path) -> Installation:
    ours = Installation(store, lambda: database_id(address(tmp_path, "ours")))
    await ours.join()
    return ours


def another(store: Store, folder: Path, wait_seconds: float = 0) -> Installation:
    return Installation(store, lambda: database_id(address(folder, "theirs")), wait_seconds)


async def test_another_database_is_refused_in_one_sentence(
    ours: Installation, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(AnotherInstallation, match=r"another SESSION_LOG_URL.*REDIS_URL=\.\.\./1"):
        await another(store, tmp_path).join()


async def test_two_hosts_with_one_database_are_one_installation(
    ours: Installation, store: Store, tmp_path: Path
) -> None:
    host = Installation(store, lambda: database_id(address(tmp_path, "ours")), wait_seconds=0)
    await host.join()
    await ours.hold()


async def test_who_starts_waits_for_the_lease_of_whoever_was_killed(
    ours: Installation, store: Store, tmp_path: Path
) -> None:
    waits = asyncio.create_task(another(store, tmp_path, wait_seconds=20).join())
    await asyncio.sleep(0)
    await store.client.pexpire(keys.SESSION_LOG_HOLDER, 50)  # nobody renews it any more
    with capture_logs() as logs:
        await waits
    assert "installation.session_log_moved" in [line["event"] for line in logs]


async def test_a_session_log_that_was_made_anew_while_nobody_was_there_is_taken(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "ours.db"
    first = Installation(store, lambda: database_id(address(tmp_path, "ours")), lease_seconds=1)
    await first.join()
    file.unlink()
    again = Installation(store, lambda: database_id(address(tmp_path, "ours")), wait_seconds=20)
    await again.join()
    assert not again.conflict


async def test_a_database_that_is_away_keeps_nobody_from_starting(store: Store) -> None:
    def away() -> str:
        raise StoreUnavailable("SESSION_LOG_URL: OperationalError")

    with capture_logs() as logs:
        await Installation(store, away).join()
    assert [line["event"] for line in logs] == ["installation.not_compared"]


async def test_whoever_finds_out_later_takes_nothing_from_the_stream(
    ours: Installation, store: Store, tmp_path: Path
) -> None:
    """Its database was away when it started."""
    theirs = another(store, tmp_path)
    renewing = asyncio.create_task(theirs.run())
    while not theirs.conflict:
        await asyncio.sleep(0.01)
    database = Database.at(address(tmp_path, "theirs"))
    database.migrate()
    prices = Projection(Prices("USD", 0.01, 0.01, {}))
    taker = Taker(store, database, prices, lambda: theirs.conflict)
    await SessionLog(store).write(TURN, {})
    taking = asyncio.create_task(taker.run())
    while not taker.progress.trouble:
        await asyncio.sleep(0.01)
    assert "another installation" in taker.progress.trouble
    assert await store.client.xlen(keys.LOG) == 1
    for task in (taking, renewing):
        task.cancel()
    database.close()


async def test_a_second_review_app_does_not_start(
    ours: Installation, valkey_url: str, tmp_path: Path
) -> None:
    environ = {
        **child_environ({}),
        "PATH": "/usr/bin:/bin",
        "REDIS_URL": valkey_url,
        "SESSION_LOG_URL": address(tmp_path, "theirs"),
    }
    renewing = asyncio.create_task(ours.run())
    start = "import connectors.installation as i; i.WAIT_SECONDS = 0.0"
    run = "import sys; from review.__main__ import main; sys.exit(main([]))"
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", f"{start}\n{run}"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    renewing.cancel()
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("Not started: another installation")
