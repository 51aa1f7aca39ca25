"""Redis: does it answer, will it keep what it is given, and what waits in it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors import keys
from connectors.dead_letters import DeadLetters
from connectors.errors import StoreUnavailable
from connectors.settings import Settings
from connectors.store import Store, unavailable_is_named
from local.doctor.finding import Finding

# A healthy reader empties the session log within a second.
LONG_BACKLOG = 10_000
# Each should be there within a second.
LONG_WAIT_SECONDS = 60


async def look(settings: Settings) -> list[Finding]:
    store = Store.connect(settings.redis_url)
    try:
        with unavailable_is_named():
            server = await store.client.info()
        return [
            Finding("Redis", True, f"version {server['redis_version']} answers"),
            persistence(server),
            eviction(server),
            await backlog(store),
            await opt_outs(store),
            await dead_letters(store),
        ]
    except StoreUnavailable as error:
        mend = "start it: `make services`" if settings.embedded_redis else "check REDIS_URL"
        return [Finding("Redis", False, str(error), mend)]
    finally:
        await store.close()


def persistence(server: Mapping[str, Any]) -> Finding:
    about = "Redis persistence"
    if not server.get("aof_enabled"):
        seen = "no append-only file: a crash of Redis loses texts that we acknowledged"
        return Finding(about, False, seen, "set `appendonly yes`")
    if server.get("aof_last_write_status", "ok") != "ok":
        return Finding(about, False, "it cannot write its append-only file", "is the disk full?")
    return Finding(about, True, "append-only file")


def eviction(server: Mapping[str, Any]) -> Finding:
    policy = str(server.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return Finding("Redis eviction", True, policy)
    seen = f"{policy}: it may throw sessions away when memory is short"
    return Finding("Redis eviction", False, seen, "set `maxmemory-policy noeviction`")


async def backlog(store: Store) -> Finding:
    with unavailable_is_named():
        waiting = int(await store.client.xlen(keys.LOG))
    if waiting < LONG_BACKLOG:
        return Finding("Session log", True, f"{waiting} records wait for the database")
    seen = f"{waiting} records wait for the database, and nobody seems to take them"
    return Finding("Session log", False, seen, "is the review app running, and its database?")


async def opt_outs(store: Store) -> Finding:
    with unavailable_is_named():
        oldest = await store.client.xrange(keys.CONSENT_LOG, count=1)
        now, _ = await store.client.time()
    waits = now - int(oldest[0][0].partition("-")[0]) / 1000 if oldest else 0
    if waits < LONG_WAIT_SECONDS:
        return Finding("Opt-outs", True, "are in the session log's database, too")
    seen = f"some are in Redis only, for {waits:.0f} s, and would be lost with it"
    return Finding("Opt-outs", False, seen, "is Rasa running, and the database at SESSION_LOG_URL?")


async def dead_letters(store: Store) -> Finding:
    count = len(await DeadLetters(store).all())
    if not count:
        return Finding("Dead letters", True, "none")
    seen = f"{count} times customers got only the plain sentence"
    return Finding("Dead letters", False, seen, "`make dead-letters` says why")
