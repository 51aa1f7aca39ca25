"""A pgbouncer of a test's own, from Debian's package, in front of the tests' PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2

from local.ports import free_port
from tests.postgresql import Postgresql

START_SECONDS = 30


class Pgbouncer:
    """`mode` is session or transaction. One connection a database, so that clients share it."""

    def __init__(self, server: Postgresql, mode: str) -> None:
        self.server, self.mode = server, mode
        self.folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://{self.server.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once it answers."""
        (self.folder / "users").write_text(f'"{self.server.user}" ""\n')
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(self._settings())
        shutil.chown(self.folder, self.server.user)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), str(settings)],
                # It refuses to run as root, which CI is.
                user=self.server.user if os.geteuid() == 0 else None,
                cwd=self.folder,
                stderr=log,
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
        shutil.rmtree(self.folder)

    def _settings(self) -> str:
        return (
            f"[databases]\n* = host=127.0.0.1 port={self.server.port}\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n"
            f"listen_port = {self.port}\npool_mode = {self.mode}\n"
            f"default_pool_size = {1 if self.mode == 'transaction' else 20}\n"
            f"auth_type = trust\nauth_file = {self.folder / 'users'}\n"
            "server_lifetime = 3600\n"
        )

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=1).close()
        except psycopg2.OperationalError:
            return False
        return True


def _program() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise RuntimeError("pgbouncer is missing: apt-get or brew install pgbouncer")
    return found
