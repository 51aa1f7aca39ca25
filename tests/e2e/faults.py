"""The faults of a deployment: on each link between its processes, and in Redis and its replicas."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from tests.e2e import tcp_proxy
from tests.e2e.deployment import OTHERS, TO_REDIS, TO_SQL, Deployment
from tests.e2e.outage import Fault
from tests.e2e.processes import wait_until
from tests.e2e.replication import GROUP

FULL_SECONDS = 5.0
FROZEN_SECONDS = 12.0
LAG_SECONDS = 5.0
LOADING_SECONDS = 8.0


def on_links(names: Sequence[str], fault: tcp_proxy.Fault, title: str) -> Fault:
    def switch(business: Deployment, to: tcp_proxy.Fault) -> None:
        for name in names:
            business.links[name].switch(to)

    return Fault(
        f"{title}: {fault.value}",
        lambda business: switch(business, fault),
        lambda business: switch(business, tcp_proxy.Fault.PASS),
    )


def _links() -> list[Fault]:
    """Redis for all of them first, then each link alone, with each fault."""
    kinds = [kind for kind in tcp_proxy.Fault if kind is not tcp_proxy.Fault.PASS]
    groups = {"redis": TO_REDIS, "sql": TO_SQL}
    alone = {name: (name,) for name in (*TO_REDIS, *TO_SQL, *OTHERS)}
    return [
        on_links(names, kind, title)
        for title, names in {**groups, **alone}.items()
        for kind in kinds
    ]


# In Redis itself.


def fill(business: Deployment) -> None:
    """Not a byte more: noeviction refuses every write."""
    business.data.primary.ask("CONFIG", "SET", "maxmemory", "1mb")


def make_room(business: Deployment) -> None:
    business.data.primary.ask("CONFIG", "SET", "maxmemory", "0")


def want_replicas(business: Deployment) -> None:
    """There are none: NOREPLICAS."""
    business.data.primary.ask("CONFIG", "SET", "min-replicas-to-write", "1")


def want_no_replicas(business: Deployment) -> None:
    business.data.primary.ask("CONFIG", "SET", "min-replicas-to-write", "0")


def kill_redis(business: Deployment) -> None:
    business.data.primary.kill()


def start_redis(business: Deployment) -> None:
    business.data.primary.start()


def freeze_redis(business: Deployment) -> None:
    business.data.primary.signal(signal.SIGSTOP)


def thaw_redis(business: Deployment) -> None:
    business.data.nodes[0].signal(signal.SIGCONT)


def load_slowly(business: Deployment) -> None:
    """A restart that reads its file for so long: LOADING."""
    node = business.data.primary
    node.ask("BGREWRITEAOF")
    wait_until(lambda: not _rewrites(business), 10, "the rewrite of the append-only file")
    delay = int(LOADING_SECONDS * 1e6 / max(1, node.ask("DBSIZE")))
    node.kill()
    node.start("--key-load-delay", str(delay), "--loading-process-events-interval-bytes", "1024")


def _rewrites(business: Deployment) -> bool:
    said = business.data.primary.ask("INFO", "persistence")
    return bool(said["aof_rewrite_in_progress"] or said["aof_rewrite_scheduled"])


def be_loaded(business: Deployment) -> None:
    def is_loaded() -> bool:
        return not business.data.primary.ask("INFO", "persistence")["loading"]

    wait_until(is_loaded, 60, "the end of the loading")


# With a replica.


def switch_as_planned(business: Deployment) -> None:
    """The old primary lives, and refuses writes; the name leads to the new one from now on."""
    old, new = business.data.nodes[:2]
    old.ask("CLIENT", "PAUSE", 3000, "WRITE")
    wait_until(lambda: new.is_current_with(old), 3, "the replica in step")
    new.promote()
    old.replicate(new.port)
    old.ask("CLIENT", "UNPAUSE")
    business.lead_redis(new.port, keep_standing=True)


def lead_to_a_stale_replica(business: Deployment) -> None:
    """Its primary is out of its reach, and it serves nothing: MASTERDOWN."""
    replica = business.data.nodes[1]
    replica.ask("CONFIG", "SET", "replica-serve-stale-data", "no")
    business.data.cut_replication()
    wait_until(lambda: replica.info()["master_link_status"] == "down", 5, "the broken link")
    business.lead_redis(replica.port)


def lead_back(business: Deployment) -> None:
    for link in business.data.links:
        link.switch(tcp_proxy.Fault.PASS)
    business.lead_redis(business.data.nodes[0].port)


def lose_the_primary(business: Deployment) -> None:
    """kill -9; what is still on its way to the replicas is lost, and the first one takes over."""
    old, new, *others = business.data.nodes
    old.kill()
    business.data.cut_replication()
    new.promote()
    for each in others:
        each.replicate(new.port)
    business.lead_redis(new.port)


# With Sentinels.


def kill_the_primary(business: Deployment) -> None:
    business.data.primary.kill()


def wait_for_another_primary(business: Deployment) -> None:
    """As a supervisor does, the dead one is started again; it is told whom to follow."""
    old = business.data.nodes[0]
    wait_until(lambda: business.data.named_by_sentinels() is not old, 30, "the failover")
    old.start()


def freeze_the_primary(business: Deployment) -> None:
    business.data.nodes[0].signal(signal.SIGSTOP)


def switch_by_sentinel(business: Deployment) -> None:
    business.data.sentinels[0].ask("SENTINEL", "FAILOVER", GROUP)
    old = business.data.nodes[0]
    wait_until(lambda: business.data.named_by_sentinels() is not old, 30, "the failover")


def calm(_: Deployment) -> None:
    """No fault at all: the bed itself must be clean."""


LINKS = _links()
IN_REDIS = [
    Fault("calm", calm, seconds=2),
    Fault("redis: full", fill, make_room, FULL_SECONDS),
    Fault("redis: NOREPLICAS", want_replicas, want_no_replicas),
    Fault("redis: killed, started again", kill_redis, start_redis),
    Fault("redis: frozen", freeze_redis, thaw_redis),
    Fault("redis: LOADING", load_slowly, be_loaded, 0),
]
WITH_A_REPLICA = [
    Fault("switch: planned, old primary alive", switch_as_planned, seconds=0),
    Fault("replica: MASTERDOWN", lead_to_a_stale_replica, lead_back),
]
LAGGING = Fault("replica lags 5 s, takes over", lose_the_primary, seconds=0, before_seconds=8)
WITH_A_CURRENT_ONE = Fault(
    "min-replicas-to-write 1, current one takes over",
    lose_the_primary,
    seconds=0,
    before_seconds=8,
)
WITH_SENTINELS = [
    Fault("sentinel: primary killed", kill_the_primary, wait_for_another_primary, 4),
    Fault("sentinel: primary frozen 12 s", freeze_the_primary, thaw_redis, FROZEN_SECONDS),
    Fault("sentinel: planned switch", switch_by_sentinel, seconds=0),
]


def let_it_lag(business: Deployment, link: int) -> None:
    """One replica's link, for long enough that the next fault finds it behind."""
    business.data.links[link].answers_late_seconds = LAG_SECONDS
