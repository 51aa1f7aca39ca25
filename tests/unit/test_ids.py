"""Identifiers tell nothing, sort by time, and logs show only the ends of a number."""

from __future__ import annotations

from connectors.ids import conversation_id, mask, sortable_id


def test_a_conversation_belongs_to_two_numbers_and_a_key() -> None:
    ours, theirs = "+15550100001", "+15550109999"
    made = conversation_id("key", ours, theirs)
    assert made == conversation_id("key", ours, theirs)
    assert made not in {
        conversation_id("key", "+15550100002", theirs),
        conversation_id("key", ours, "+15550109998"),
        conversation_id("another key", ours, theirs),
    }
    assert len(made) == 32
    assert "5550" not in made


def test_sortable_ids_sort_by_time_and_do_not_repeat() -> None:
    ids = [sortable_id(now) for now in (0.0, 0.001, 1.0, 1_800_000_000.0)]
    assert ids == sorted(ids)
    assert all(len(each) == 26 for each in ids)
    assert len({sortable_id(5.0) for _ in range(1000)}) == 1000


def test_a_ulid_tells_its_milliseconds() -> None:
    # The example in the ULID specification: 01ARYZ6S41... is 1469918176385 ms.
    assert sortable_id(1469918176.385).startswith("01ARYZ6S41")


def test_numbers_are_masked() -> None:
    assert mask("+15550109999") == "+1***9999"
    assert mask("12345") == "***"
