"""A pretend Twilio in chaos mode."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.pretend_twilio.callers import client_of
from tests.integration.pretend_twilio.chaos.rehearsal import GIVES_UP_S, Rehearsal


@pytest.fixture
def chaos(url: str) -> Rehearsal:
    return Rehearsal(url)


@pytest.fixture
def twilio(chaos: Rehearsal) -> Any:
    """A business that does not wait for long."""
    return client_of(chaos.url, gives_up_s=GIVES_UP_S)
