"""A pretend Twilio, and who stands at its two ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.ports import free_port
from tests.integration.pretend_twilio.callers import Phone, client_of
from tests.pretend_business import Business, open_business, open_twilio, pretend_config


@pytest.fixture
def business() -> Iterator[Business]:
    with open_business(Business()) as opened:
        yield opened


@pytest.fixture
def url(business: Business) -> Iterator[str]:
    with open_twilio(pretend_config(business.url)) as opened:
        yield opened


@pytest.fixture(scope="session")
def door() -> Iterator[str]:
    """One pretend Twilio for all tests that it lets nothing in from: its memory stays empty."""
    with open_twilio(pretend_config(f"http://127.0.0.1:{free_port()}")) as opened:
        yield opened


@pytest.fixture
def phone(url: str) -> Phone:
    return Phone(url)


@pytest.fixture
def twilio(url: str) -> Any:
    return client_of(url)
