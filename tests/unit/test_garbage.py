"""A ready server does not stop to look through what it has loaded."""

from __future__ import annotations

import gc

from connectors.garbage import spare_what_is_loaded


def test_the_collector_leaves_alone_what_is_loaded() -> None:
    loaded = [[number] for number in range(10_000)]
    try:
        spare_what_is_loaded()
        assert not any(each is loaded for each in gc.get_objects())
        later: list[object] = []
        assert any(each is later for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is loaded for each in gc.get_objects())
