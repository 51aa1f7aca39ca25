"""A snapshot: the events that bring a fresh tracker into the state of another one. Pure.

Rasa rebuilds a tracker from its events whenever it copies one, looks at past states or takes a step
back. Whatever no event tells would be lost then, so the state is told in Rasa's own events.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    ConversationPaused,
    Event,
    FollowupAction,
    LoopInterrupted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker


def snapshot(tracker: DialogueStateTracker) -> list[Event]:
    """What to replay instead of the tracker's events, in the order in which it might have been."""
    events = [*_loop(tracker), *_slots(tracker), *_said(tracker), *_rest(tracker)]
    for event in events:
        # Not after what follows them: Rasa travels in time by timestamps.
        event.timestamp = tracker.events[-1].timestamp if tracker.events else 0
    return events


def _loop(tracker: DialogueStateTracker) -> Iterator[Event]:
    if not tracker.active_loop_name:
        return
    trigger = tracker.active_loop.trigger_message
    if trigger and trigger.get("text"):
        yield UserUttered(
            trigger["text"], trigger.get("intent"), trigger.get("entities"), parse_data=trigger
        )
    # A loop that has run once: else Rasa would take the next time for the first.
    yield ActionExecuted(tracker.active_loop_name)
    yield ActiveLoop(tracker.active_loop_name)


def _slots(tracker: DialogueStateTracker) -> Iterator[Event]:
    for slot in tracker.slots.values():
        if slot.has_been_set:
            yield SlotSet(slot.name, slot.value)


def _said(tracker: DialogueStateTracker) -> Iterator[Event]:
    heard, said = tracker.latest_message, tracker.latest_bot_utterance
    if heard and not heard.is_empty():
        yield copy(heard)
    if said and said.text:
        yield copy(said)


def _rest(tracker: DialogueStateTracker) -> Iterator[Event]:
    action = tracker.latest_action or {}
    if action:
        yield ActionExecuted(action.get("action_name"), action_text=action.get("action_text"))
    if tracker.is_active_loop_rejected:
        yield ActionExecutionRejected(tracker.active_loop_name)
    if tracker.is_active_loop_interrupted:
        yield LoopInterrupted(True)
    if tracker.is_paused():
        yield ConversationPaused()
    if tracker.followup_action:
        yield FollowupAction(tracker.followup_action)
