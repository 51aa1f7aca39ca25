"""What an import changed, kept in var/ so that it can be undone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from connectors.settings import VAR
from local.import_number.plan import Change

FOLDER = VAR / "imported-numbers"


class Record:
    """One number's. The file's name does not tell the number."""

    def __init__(self, number: str, folder: Path = FOLDER) -> None:
        self.file = folder / f"{hashlib.sha256(number.encode()).hexdigest()[:16]}.json"

    def read(self) -> list[Change]:
        """Nothing if the number was never imported, or the import was undone."""
        try:
            return [Change(**change) for change in json.loads(self.file.read_text())]
        except FileNotFoundError:
            return []

    def write(self, changes: list[Change]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(change) for change in changes], indent=1))
        fresh.replace(self.file)

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)
