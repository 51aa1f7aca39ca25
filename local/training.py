"""Training: `python -m local.training` makes a model unless there is one newer than its sources."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.settings import ROOT, VAR
from local.parts import child_environ


def newest_model(root: Path) -> Path | None:
    return max((root / "models").glob("*.tar.gz"), key=_changed, default=None)


def is_needed(root: Path) -> bool:
    model = newest_model(root)
    return model is None or any(_changed(source) > _changed(model) for source in sources(root))


def sources(root: Path) -> Iterator[Path]:
    """What `rasa train` reads. Folders too: a file that was taken away leaves its trace there."""
    yield from (path for path in (root / "config.yml", root / "domain.yml") if path.exists())
    yield from (root / "components").glob("*.py")
    for folder in ("data", "domain"):
        yield from (path for path in [root / folder, *(root / folder).rglob("*")] if path.exists())


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def main() -> int:
    if not is_needed(ROOT):
        return 0
    print("training: the model is missing or older than its sources", flush=True)
    began = time.monotonic()
    log = VAR / "log" / "training.log"
    code = train(log)
    if code:
        print(log.read_text(errors="replace"), file=sys.stderr)
        return code
    for warning in warnings_in(log.read_text(errors="replace")):
        print(f"training: {warning}")
    print(f"training: done in {time.monotonic() - began:.0f} s", flush=True)
    return 0


def train(log: Path) -> int:
    """`rasa train`; its words, of which there are many, are kept in a file."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # it ends with us
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.quietly", "rasa", "train"]
    with log.open("w") as file:
        return subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=child_environ(os.environ), stdout=file, stderr=subprocess.STDOUT
        ).returncode


def warnings_in(said: str) -> list[str]:
    """What Rasa finds doubtful in domain and data, and trains all the same."""
    return [line.partition("Warning: ")[2] for line in said.splitlines() if "Warning: " in line]


if __name__ == "__main__":
    sys.exit(main())
