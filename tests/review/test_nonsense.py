"""Whatever somebody types into an address, a form or a body: an answer, and no mistake of ours."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from review.access import Role
from review.filters import Filter
from review.operations import PREFIX
from tests.review.office import Office

pytestmark = pytest.mark.integration

WORDS = (
    *(
        "\x00",
        "a\x00b",
        "'",
        '"',
        "';--",
        "%",
        "_",
        "\\",
        "*",
        "NEAR(",
        "a AND OR",
        '"a',
        "{{7*7}}",
    ),
    *("-1", "99999999999999999999", "1e309", "nan", "inf", "٣", "²", "é" * 2_000),
    *("older:nan:1", "newer:99999999999999999999:99999999999999999999", "older:1.5e999:1"),
    *("9999-12-31", "0001-01-01", "24:00", "../../etc/passwd"),
)
NO_WORDS = ("\\ud800", "x\\udc00", "\\u0000")
SESSION = "/sessions/01ARZ3NDEKTSV4RRFFQ69G5FAV"


def test_addresses(each_office: Office) -> None:
    program = each_office.program(Role.ADMINISTRATOR)
    names = [*(field.name for field in fields(Filter)), "page", "size"]
    for word in WORDS:
        # All at once would stop at the first that is refused.
        asked = [("/api/v1/sessions", {name: word}) for name in names]
        asked += [("/", {name: word}) for name in ("q", "tag", "until", "page")]
        asked += [("/api/v1/figures", {name: word}) for name in ("since", "until", "number")]
        asked += [("/numbers", {"days": word}), ("/audit", {"page": word})]
        for path, query in asked:
            answer = program.get(path, params=query)
            assert answer.status_code in (200, 400, 404, 422), (path, query, answer.text[:200])


@pytest.mark.parametrize("word", NO_WORDS)
def test_bodies_with_what_no_database_takes(word: str, each_office: Office) -> None:
    program = each_office.program(Role.ADMINISTRATOR)
    bodies: dict[str, Any] = {
        "/views": {"name": "W", "query": "q=W"},
        "/bulk": {"sessions": ["W"], "do": "tag", "tag": "W"},
        "/people": {"name": "grace", "password": "long-enough-W", "role": "viewer"},
        "/tokens": {"name": "W", "role": "viewer"},
        "/webhooks": {"url": "https://93.184.216.34/W", "events": ["session.opened"]},
        f"{SESSION}/notes": {"kind": "comment", "value": "W"},
        f"{SESSION}/answer": {"text": "W"},
    }
    for path, body in bodies.items():
        raw = json.dumps(body).replace("W", word).encode()
        answer = program.post(
            PREFIX + path, content=raw, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, (path, answer.text)
    headers = {"content-type": "application/json"}
    nested = program.post(f"{PREFIX}/views", content=b"[" * 100_000, headers=headers)
    assert nested.status_code == 400


@pytest.mark.parametrize("word", ["\x00", "half \x00 a name"])
def test_forms_with_what_no_database_takes(word: str, each_office: Office) -> None:
    browser = each_office.somebody(Role.ADMINISTRATOR)
    for path in ("/sign-in", "/views", "/people", "/tokens", "/customers/find"):
        form = {"name": word, "number": word, "password": "long-enough-1", "role": "viewer"}
        assert browser.post(path, data=form).status_code == 400, path
