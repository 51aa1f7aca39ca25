"""Redis: does it answer, will it keep what it is given, and what waits in it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from connectors import keys
from connectors.dead_letters import DeadLetters
from connectors.errors import StoreUnavailable
from connectors.probe import Prober
from connectors.sentinel_url import is_sentinel_url
from connectors.settings import Settings
from connectors.store import Store, unavailable_is_named
from local.doctor.finding import Finding

# A healthy reader empties the session log within a second.
LONG_BACKLOG = 10_000
# Each should be there within a second.
LONG_WAIT_SECONDS = 60
NOTHING_TOLD: Mapping[str, str] = {}


async def look(settings: Settings) -> list[Finding]:
    store = Store.connect(settings.redis_url)
    try:
        with unavailable_is_named():
            server = await store.client.info()
        config = await configured(store)
        return [
            Finding("Redis", True, f"version {server['redis_version']} answers"),
            persistence(server, config),
            replication(server, config),
            eviction(server),
            await backlog(store, settings.session_log_backlog_mb * 2**20),
            await opt_outs(store),
            await dead_letters(store),
        ]
    except StoreUnavailable as error:
        mend = "start it: `make services`" if settings.embedded_redis else "check REDIS_URL"
        if is_sentinel_url(settings.redis_url):
            mend = "do the Sentinels answer, and do they know the primary by that name?"
        return [Finding("Redis", False, str(error), mend)]
    finally:
        await store.close()


async def configured(store: Store) -> Mapping[str, str]:
    """What of its configuration matters here; a managed Redis may tell nothing of it."""
    found: dict[str, str] = {}
    for name in ("appendfsync", "min-replicas-to-write", "min-replicas-max-lag"):
        try:
            found |= await store.client.config_get(name)
        except RedisError:
            continue
    return found


def persistence(server: Mapping[str, Any], config: Mapping[str, str] = NOTHING_TOLD) -> Finding:
    about = "Redis persistence"
    if not server.get("aof_enabled"):
        seen = "no append-only file: a crash of Redis loses texts that we acknowledged"
        return Finding(about, False, seen, "set `appendonly yes`")
    if server.get("aof_last_write_status", "ok") != "ok":
        return Finding(about, False, "it cannot write its append-only file", "is the disk full?")
    lost = {
        "always": ": a power cut loses nothing",
        "everysec": ": a power cut loses up to 2 s (`appendfsync always` loses nothing)",
        "no": ": a power cut loses up to 30 s (set `appendfsync always`, or `everysec`)",
    }
    return Finding(about, True, "append-only file" + lost.get(config.get("appendfsync", ""), ""))


def replication(server: Mapping[str, Any], config: Mapping[str, str] = NOTHING_TOLD) -> Finding:
    """What is lost when another server takes over."""
    about = "Redis failover"
    if server.get("role") == "slave":
        seen = "REDIS_URL leads to a replica, which takes no writes"
        return Finding(about, False, seen, "lead it to the primary, or to the Sentinels")
    lags = replica_lags(server)
    if not lags:
        return Finding(
            about, True, "one server: while it is down, texts get 503 and nothing is lost"
        )
    seen = f"{len(lags)} replicas, {max(lags)} s behind at most"
    least, lag = config.get("min-replicas-to-write"), config.get("min-replicas-max-lag", "10")
    if least is None:
        seen += "; whether it waits for them is not told: a failover loses what they lack"
        return Finding(about, None, seen, "ask whoever runs it for min-replicas-to-write 1")
    if least == "0":
        seen += ": a failover loses what they lack"
        mend = "set `min-replicas-to-write 1` and `min-replicas-max-lag 2`"
        return Finding(about, False, seen, mend)
    return Finding(about, True, f"{seen}: a failover loses at most the last {lag} s")


def replica_lags(server: Mapping[str, Any]) -> list[int]:
    """Seconds since each replica that is in touch was heard of."""
    replicas = (server.get(f"slave{n}") for n in range(int(server.get("connected_slaves", 0))))
    return [int(each.get("lag", 0)) for each in replicas if isinstance(each, Mapping)]


def eviction(server: Mapping[str, Any]) -> Finding:
    policy = str(server.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return Finding("Redis eviction", True, policy)
    seen = f"{policy}: it may throw sessions away when memory is short"
    return Finding("Redis eviction", False, seen, "set `maxmemory-policy noeviction`")


async def backlog(store: Store, limit_bytes: int) -> Finding:
    """What of the session log is not in SQL yet, and how much may wait."""
    about, probe = "Session log", await Prober(store, limit_bytes).probe()
    size, limit = probe.log_bytes / 2**20, probe.log_limit_bytes / 2**20
    seen = f"{probe.log_records} records wait for the database, {size:.1f} MB"
    if limit:
        seen += f" of {limit:.0f} MB"
    if probe.log_is_full:
        seen += ": texts get 503 until they are taken"
    elif probe.log_records < LONG_BACKLOG and not probe.log_is_long:
        return Finding(about, True, seen)
    else:
        seen += ", and nobody seems to take them"
    return Finding(about, False, seen, "is the review app running, and its database?")


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
