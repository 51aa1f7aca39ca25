"""The documentation names what there is, and there is nothing that it does not name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from connectors.settings import ROOT, Settings

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Asked(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **given: str) -> None:
        self.given = given
        self.names: set[str] = set()

    def get(self, name: str, default: object = None) -> str:
        self.names.add(name)
        return self.given.get(name, str(default or ""))

    def __getitem__(self, name: str) -> str:
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def settings_in_the_code() -> set[str]:
    account = {"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": "t"}
    fallback = {"LLM_FALLBACK_BASE_URL": "http://127.0.0.1:1/v1"}
    environment = Asked(**account, **fallback, TWILIO_NUMBERS="+15550100001")
    Settings.load(environment)
    return environment.names


def test_readme_explains_every_setting_and_no_other() -> None:
    table = README.split("## Settings")[1].split("\n## ")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row.split("|")[1])
    }
    assert named == settings_in_the_code()


def test_env_example_explains_every_setting_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#([A-Z0-9_]+)=", example, re.MULTILINE)) == settings_in_the_code()


def test_readme_explains_every_make_target_and_no_other() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) | {"help"} == targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    words = page.read_text()
    named = re.findall(r"`([a-z_./]+(?:/|\.yml|\.py))`", words)
    linked = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\"]+)\"", words)
    made = {".venv/", "models/", "var/", "var/valkey/", "tests/test_from_sessions.yml"}
    missing = [n for n in named if n not in made and not (ROOT / n).exists()]
    missing += [n for pair in linked for n in pair if n and not (page.parent / n).exists()]
    assert missing == []


def test_every_room_of_the_connectors_is_named() -> None:
    house = (ROOT / "docs" / "how-it-works.md").read_text()
    rooms = {path.stem for path in (ROOT / "connectors").glob("*.py")} - {"__init__"}
    assert {room for room in rooms if f"`{room}`" not in house} == set()


# What talks to a store, a server or an endpoint.
OUTSIDE = {
    *("redis", "sqlalchemy", "sanic", "starlette", "rasa", "rasa_sdk"),
    *("requests", "httpx", "aiohttp", "openai", "structlog"),
}
# Rasa's own data, without which there is nothing to say about a tracker.
ALLOWED = {"connectors/snapshot.py": {"rasa.shared.core.events", "rasa.shared.core.trackers"}}


def pure_rooms() -> list[str]:
    """Those of the connectors whose docstring says so."""
    files = sorted((ROOT / "connectors").glob("*.py"))
    docs = {file: ast.get_docstring(ast.parse(file.read_text())) or "" for file in files}
    return [f"connectors/{file.name}" for file, doc in docs.items() if re.search(r"\bPure\b", doc)]


def imports(file: str) -> set[str]:
    source = (ROOT / file).read_text()
    return set(re.findall(r"^(?:from|import) ([\w.]+)", source, re.MULTILINE))


def reached(file: str) -> set[str]:
    """What a room imports, and what the rooms that it imports do."""
    found, waiting = set(), [file]
    seen: set[str] = set()
    while waiting:
        room = waiting.pop()
        seen.add(room)
        found |= imports(room) - ALLOWED.get(room, set())
        ours = {f"{name.replace('.', '/')}.py" for name in imports(room)} - seen
        waiting += [name for name in ours if (ROOT / name).exists()]
    return found


def test_the_rooms_that_decide_call_themselves_pure() -> None:
    decide = {"gate", "consent", "house_rules", "snapshot", "ten_dlc", "wire", "segments", "wiring"}
    assert {f"connectors/{room}.py" for room in decide} <= set(pure_rooms())


@pytest.mark.parametrize("room", pure_rooms())
def test_pure_rooms_touch_nothing(room: str) -> None:
    """No store, no server and no client, not even through another room."""
    assert {name for name in reached(room) if name.split(".")[0] in OUTSIDE} == set()
