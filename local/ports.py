"""Ports: is this one free, and if not, who has it?"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from connectors.settings import LOOPBACK

LISTENING = "0A"


def conflicts(ports: Mapping[str, int]) -> list[str]:
    """One sentence for each port that cannot be had. `ports` maps settings to numbers."""
    first: dict[int, str] = {}
    sentences = []
    for name, port in ports.items():
        if port in first:
            sentences.append(f"{first[port]} and {name} are both {port}: change one of them")
        elif not is_free(port):
            sentences.append(f"{name}: port {port} is taken{_by(port)}; stop it, or change {name}")
        first.setdefault(port, name)
    return sentences


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # macOS lets us bind beside somebody who listens on all addresses, so ask for him first.
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket() as probe:
        # As the servers do: connections of an earlier run that are still winding down don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _by(port: int) -> str:
    owner = owner_of(port)
    return f" by {owner}" if owner else ""


def owner_of(port: int) -> str:
    """Name and process id of who listens there, where Linux tells us; else nothing."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for folder in Path("/proc").glob("[0-9]*") if sockets else ():
        with suppress(OSError):  # processes come and go, and others' are not ours to read
            if any(os.readlink(fd) in sockets for fd in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
    return ""


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = (line.split() for line in Path(table).read_text().splitlines()[1:])
            ours = re.compile(rf"[0-9A-F]+:{port:04X}")
            inodes += [row[9] for row in rows if row[3] == LISTENING and ours.fullmatch(row[1])]
    return inodes
