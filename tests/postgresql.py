"""A PostgreSQL server of the tests' own, from Debian's package, on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from local.ports import free_port

START_SECONDS = 60


class Postgresql:
    """Data for one run of the tests: nothing of it has to survive."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self.port = free_port()
        # It refuses to run as root, which CI is.
        self.user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        shutil.chown(self.folder, self.user)
        data = str(self.folder / "data")
        initdb = [_program("initdb"), "-D", data, "-A", "trust", "-E", "UTF8", "--locale", "C"]
        subprocess.run(
            [*initdb, "-U", self.user, "--no-sync"],
            user=self._other_user(),
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        self.serve()

    def serve(self) -> None:
        """Return once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = self._open(log)
        ask = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        until = time.monotonic() + START_SECONDS
        while subprocess.run(ask, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def _open(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(_program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                *("-c", "unix_socket_directories=", "-c", "max_connections=50"),
            ],
            user=self._other_user(),
            cwd=self.folder,
            stderr=log,
        )

    def halt(self) -> None:
        """Stop as if the machine had been switched off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def stop(self) -> None:
        self.halt()
        shutil.rmtree(self.folder)

    def _other_user(self) -> str | None:
        return self.user if os.geteuid() == 0 else None


def _program(name: str) -> str:
    """Debian keeps the server's programs off the PATH, in a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise RuntimeError(f"PostgreSQL's {name} is missing: apt-get or brew install postgresql")
    return program
