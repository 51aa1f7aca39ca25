"""Rasa's window of a session behaves like all of it: on a real Valkey, over random sessions."""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from rasa.core.policies.policy import PolicyPrediction
from rasa.core.policies.rule_policy import RULES, RULES_NOT_IN_STORIES, RulePolicy
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActionReverted,
    ActiveLoop,
    AllSlotsReset,
    BotUttered,
    ConversationPaused,
    ConversationResumed,
    DefinePrevUserUtteredFeaturization,
    Event,
    FollowupAction,
    LoopInterrupted,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUtteranceReverted,
    UserUttered,
    deserialise_events,
)
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker

from components.llm_policy import next_action
from connectors.rasa_rules import original_prediction
from connectors.rasa_speed import original_copy
from connectors.session_store import SessionStore
from connectors.store import Store

pytestmark = pytest.mark.integration

WINDOW = 2
EXAMPLES = 50

DOMAIN_FILE = """
version: "3.1"
intents: [greet, book, stop_it, nlu_fallback]
actions: [action_llm_reply, action_check]
responses:
  utter_hello: [{text: hello}]
  utter_welcome: [{text: welcome}]
slots:
  city: {type: text, mappings: [{type: from_text, conditions: [{active_loop: booking_form}]}]}
  wants_sms: {type: bool, initial_value: true, mappings: [{type: custom}]}
  stops: {type: list, mappings: [{type: custom}]}
  seats: {type: float, mappings: [{type: from_text, conditions: [{active_loop: seats_form}]}]}
forms:
  booking_form: {required_slots: [city]}
  seats_form: {required_slots: [seats]}
session_config: {session_expiration_time: 0, carry_over_slots_to_new_session: false}
"""
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Rasa warns of every domain that has slots
    DOMAIN = Domain.from_yaml(DOMAIN_FILE)
LISTEN = "action_listen"
FORMS = ["booking_form", "seats_form"]


def heard(intent: str) -> UserUttered:
    return UserUttered(intent, {"name": intent, "confidence": 1.0}, input_channel="rest")


def rule(*events: Event, within: str | None = None, anywhere: bool = True) -> Any:
    """As Rasa makes one of rules.yml."""
    before: list[Event] = [ActiveLoop(within)] if within else []
    before += [ActionExecuted("...")] if anywhere else []
    steps = [*before, ActionExecuted(LISTEN), *events]
    return TrackerWithCachedStates.from_events(
        "rule", steps, DOMAIN.slots, domain=DOMAIN, is_rule_tracker=True
    )


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """RulePolicy tells of every prediction."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RulePolicy:
    context = ExecutionContext(GraphSchema({}), "test")
    folder: Path = tmp_path_factory.mktemp("rules")
    policy = RulePolicy.create(
        {**RulePolicy.get_default_config(), "check_for_contradictions": False},
        LocalModelStorage.create(folder),
        Resource("rules"),
        context,
    )
    hello, listen = ActionExecuted("utter_hello"), ActionExecuted(LISTEN)
    policy.train(
        [
            rule(heard("greet"), hello, listen),
            rule(heard("greet"), ActionExecuted("utter_welcome"), anywhere=False),
            rule(heard("book"), ActionExecuted("booking_form"), ActiveLoop("booking_form")),
            rule(heard("stop_it"), hello, ActionExecuted("booking_form"), within="booking_form"),
        ],
        DOMAIN,
    )
    policy.lookup[RULES_NOT_IN_STORIES] = sorted(policy.lookup[RULES])  # there are no stories
    return policy


def sometimes(event: Event) -> st.SearchStrategy[list[Event]]:
    return st.sampled_from([[], [], [], [event]])


slot_values = st.one_of(
    st.builds(SlotSet, st.just("city"), st.sampled_from(["Ghent", "", None])),
    st.builds(SlotSet, st.just("wants_sms"), st.booleans()),
    st.builds(SlotSet, st.just("stops"), st.sampled_from([["a"], [], None])),
    st.builds(SlotSet, st.just("seats"), st.sampled_from([0.0, 2.0, None])),
)
afterwards = st.one_of(
    slot_values,
    slot_values,
    st.builds(BotUttered, st.sampled_from(["yes", "no"]), metadata=st.just({"model": "m"})),
    st.builds(ConversationPaused),
    st.builds(ConversationResumed),
    st.builds(AllSlotsReset),
)


@dataclass(frozen=True)
class Form:
    """A form gets its turn as Rasa gives it one: what it writes depends on what is active."""

    name: str
    does: str  # "ask", "end" or "reject"

    def events(self, tracker: DialogueStateTracker) -> list[Event]:
        is_active = tracker.active_loop_name == self.name
        if self.does == "reject":
            return [ActionExecutionRejected(self.name)] if is_active else []
        begins: list[Event] = [] if is_active else [ActiveLoop(self.name)]
        asks = SlotSet("requested_slot", None if self.does == "end" else "city")
        ends: list[Event] = [ActiveLoop(None)] if self.does == "end" else []
        return [ActionExecuted(self.name), *begins, asks, *ends]


Step = list[Event] | Form


@st.composite
def action(draw: st.DrawFn) -> Step:
    """One action, and what it left behind."""
    if draw(st.booleans()):
        return Form(draw(st.sampled_from(FORMS)), draw(st.sampled_from(["ask", "end", "reject"])))
    name = draw(st.sampled_from(["action_llm_reply", "utter_hello", "action_check"]))
    follows = draw(sometimes(FollowupAction("action_check")))
    return [ActionExecuted(name), *draw(st.lists(afterwards, max_size=2)), *follows]


START: list[Event] = [
    ActionExecuted("action_session_start"),
    SessionStarted(),
    ActionExecuted(LISTEN),
]
TWO_BACK: list[Event] = [
    ActionExecuted("action_back"),
    UserUtteranceReverted(),
    UserUtteranceReverted(),
    ActionExecuted(LISTEN),
]
ENDINGS: list[list[Event]] = [
    *[[ActionExecuted(LISTEN)]] * 12,
    TWO_BACK,
    [ActionExecuted("action_default_fallback"), UserUtteranceReverted(), ActionExecuted(LISTEN)],
    [ActionReverted(), ActionExecuted(LISTEN)],
    [ActionExecuted("action_restart"), Restarted(), *START],
    START,
    [LoopInterrupted(True)],  # a commit in the middle of things
]


@st.composite
def turn(draw: st.DrawFn) -> list[Step]:
    """What one message adds to a session."""
    intent = draw(st.sampled_from(["greet", "book", "stop_it", "nlu_fallback"]))
    by_intent = draw(sometimes(DefinePrevUserUtteredFeaturization(False)))
    actions = draw(st.lists(action(), max_size=3))
    return [[heard(intent), *by_intent], *actions, draw(st.sampled_from(ENDINGS))]


def takes_back(steps: Sequence[Step]) -> bool:
    kinds = (UserUtteranceReverted, ActionReverted)
    return any(isinstance(e, kinds) for step in steps if isinstance(step, list) for e in step)


def has_had_a_form(tracker: DialogueStateTracker) -> bool:
    return any(isinstance(event, ActiveLoop) for event in tracker.events)


def state(tracker: DialogueStateTracker) -> dict[str, Any]:
    """All that a tracker shows, but its events."""
    shown = tracker.current_state()
    shown.pop("latest_event_time")
    bot = tracker.latest_bot_utterance
    has_been_set = {name: slot.has_been_set for name, slot in tracker.slots.items()}
    return {**shown, "bot": bot.text if bot else None, "set": has_been_set}


def shown(event: Event) -> str:
    left_out = ("event", "timestamp", "parse_data", "metadata", "hide_rule_turn")
    fields = event.as_dict()
    values = [str(v) for k, v in fields.items() if k not in left_out and v is not None]
    return " ".join([fields["event"], *values])


def fresh_copies(events: Sequence[Event]) -> list[Event]:
    copies: list[Event] = deserialise_events([event.as_dict() for event in events])
    return copies


@pytest.fixture
async def sessions(
    store: Store, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SessionStore]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    sessions = SessionStore(DOMAIN, window_turns=WINDOW)
    yield sessions
    await sessions.store.close()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(session=st.lists(turn(), min_size=4 * WINDOW, max_size=7 * WINDOW))
async def test_the_window_behaves_like_the_whole(
    sessions: SessionStore, rules: RulePolicy, session: list[list[Step]]
) -> None:
    await sessions.store.client.flushall()
    whole = sessions.init_tracker("c")
    begin: list[Step] = [START]
    for number, steps in enumerate([begin, *session]):
        if takes_back(steps) and has_had_a_form(whole):
            continue  # Rasa counts all turns of a form as one: they may begin before any window
        window = await sessions.get_or_create_tracker("c", append_action_listen=False)
        for step in steps:
            for event in step.events(whole) if isinstance(step, Form) else step:
                note(f"{number} {shown(event)}")
                for tracker in (whole, window):
                    tracker.update(*fresh_copies([event]))
                assert state(window) == state(whole)
        assert state(window.copy()) == state(whole.copy()) == state(original_copy(whole))
        same_next_action(window, whole, rules)
        await sessions.save(window)
    await nothing_is_lost(sessions, whole)


async def nothing_is_lost(sessions: SessionStore, whole: DialogueStateTracker) -> None:
    stored = await sessions.retrieve_full_tracker("c")
    assert stored is not None
    assert list(map(shown, stored.events)) == list(map(shown, whole.events))


def same_next_action(
    window: DialogueStateTracker, whole: DialogueStateTracker, rules: RulePolicy
) -> None:
    """After what a turn was made of, and after the next text, whatever it says."""
    for text in (None, "greet", "stop_it", "nlu_fallback"):
        ours, theirs = window.copy(), whole.copy()
        if text:
            ours.update(heard(text))
            theirs.update(heard(text))
        assert next_action(ours) == next_action(theirs)
        predicted = rules.predict_action_probabilities(ours, DOMAIN)
        rasas = original_prediction(rules, theirs, DOMAIN)  # not the shorter way of rasa_rules
        assert told(predicted) == told(rasas)


def told(prediction: PolicyPrediction) -> dict[str, Any]:
    events = [*prediction.events, *prediction.optional_events]
    return {**vars(prediction), "events": list(map(shown, events)), "optional_events": None}
