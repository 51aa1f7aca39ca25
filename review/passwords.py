"""Passwords: kept as argon2, and slow to try."""

from __future__ import annotations

import functools
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from connectors.settings import LONGEST_PASSWORD, SHORTEST_PASSWORD
from review.errors import Unusable

# 64 MiB for each check: not more than two at once.
_hasher = PasswordHasher()
_checking = threading.BoundedSemaphore(2)


def hashed(password: str) -> str:
    """Raises Unusable for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Unusable(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    return _hasher.hash(password)


def is_right(kept: str | None, password: str) -> bool:
    """A person that there is not (None) takes as long to refuse as a wrong password."""
    nobodys = _nobodys()  # whoever asks: made only when needed, it would tell that it was
    with _checking:
        try:
            return _hasher.verify(kept or nobodys, password[:LONGEST_PASSWORD]) and bool(kept)
        except (Argon2Error, InvalidHashError):
            return False


def made_up() -> str:
    return secrets.token_urlsafe(12)


@functools.cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex(16))
