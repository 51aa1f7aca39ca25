"""Training: `python -m local.training` makes a model unless there is one newer than its sources."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from connectors.settings import ROOT
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


def main() -> None:
    if not is_needed(ROOT):
        return
    print("training: the model is missing or older than its sources", flush=True)
    os.chdir(ROOT)
    command = [sys.executable, "-m", "local.quietly", "rasa", "train"]
    os.execve(sys.executable, command, child_environ(os.environ))  # noqa: S606


if __name__ == "__main__":
    main()
