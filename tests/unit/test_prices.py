"""What things cost, by the list that comes with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import SettingsError
from review.prices import Prices


def test_the_list_says_of_when_it_is_and_a_text_costs_about_a_cent() -> None:
    prices = Prices.load()
    assert (prices.currency, prices.as_of) == ("USD", "November 2026")
    assert 8_000 < prices.of_segments(coming_in=1) < prices.of_segments(1) < 20_000


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "claude-haiku-4-5-20251001"]
)
def test_a_dated_model_costs_what_its_name_does(name: str) -> None:
    assert Prices.load().of_tokens(name, 1_000_000, 0) in (150_000, 1_000_000)


@pytest.mark.parametrize("name", ["", "smollm2", "gpt-4o-mini-audio", "-2024-07-18"])
def test_a_model_that_is_not_in_the_list_costs_nothing(name: str) -> None:
    assert Prices.load().of_tokens(name, 1_000_000, 1_000_000) == 0


def test_a_list_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "prices.yml"
    file.write_text("currency: USD\nsegment: {out: cheap, in: 0}")
    with pytest.raises(SettingsError, match=r"prices\.yml is not as its comments say"):
        Prices.load(file)
