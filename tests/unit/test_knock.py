"""The doctor's knock is known by its token, while it is fresh and nothing else is in the form."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from connectors.knock import FIELD, FRESH_SECONDS, is_knock, knock
from connectors.wire import Form

NOW = 1_800_000_000.0
TOKENS = ("token", "older-token")


def form(**changes: str) -> Form:
    return Form.parse(urlencode({**knock("AC1", "older-token", NOW), **changes}).encode())


@pytest.mark.parametrize("later", [0, FRESH_SECONDS - 1, 1 - FRESH_SECONDS])
def test_our_own_knock_is_known(later: float) -> None:
    assert is_knock(form(), TOKENS, NOW + later)


def test_nobody_elses_is() -> None:
    mac = form()[FIELD][0].partition(".")[2]
    assert not is_knock(form(), ("another-token",), NOW)
    assert not is_knock(form(), TOKENS, NOW + FRESH_SECONDS)
    assert not is_knock(form(From="+15550109999"), TOKENS, NOW)
    assert not is_knock(form(**{FIELD: f"{int(NOW) + 1}.{mac}"}), TOKENS, NOW)
    for nonsense in (
        "",
        ".",
        "1",
        f"x.{mac}",
        f"{int(NOW)}.é",
        f"{int(NOW)}.",
        f"{'9' * 50}.{mac}",
    ):
        assert not is_knock(form(**{FIELD: nonsense}), TOKENS, NOW), nonsense
    assert not is_knock(Form(), TOKENS, NOW)
    assert not is_knock(Form({FIELD: [form()[FIELD][0]] * 2}), TOKENS, NOW)
