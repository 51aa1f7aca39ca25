"""Who takes a turn: rules and forms, or the model. tests/test_stories.yml asks a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActiveLoop,
    BotUttered,
    Event,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException
from ruamel.yaml import YAML

from components.llm_policy import CONFIDENCE, LlmPolicy
from components.visible_files import visible_files
from connectors.settings import ROOT

LISTEN, LLM = ActionExecuted("action_listen"), ActionExecuted("action_llm_reply")
FORM = ActionExecuted("booking_form")
TEXT = UserUttered("My brakes squeak")
REPLY = BotUttered("Bring it in.")

DOMAIN = Domain.from_yaml(
    """
    version: "3.1"
    actions: [action_llm_reply, action_check_stock]
    forms:
      booking_form:
        required_slots: []
    """
)


@pytest.fixture
def policy(tmp_path: Path) -> LlmPolicy:
    context = ExecutionContext(GraphSchema({}), "test")
    storage = LocalModelStorage.create(tmp_path)
    config = LlmPolicy.get_default_config()
    created = LlmPolicy.create(config, storage, Resource("policy"), context)
    assert isinstance(created, LlmPolicy)
    return created


def after(events: Sequence[Event]) -> DialogueStateTracker:
    return DialogueStateTracker.from_events("id", list(events), domain=DOMAIN)


def chosen(policy: LlmPolicy, tracker: DialogueStateTracker) -> str:
    prediction = policy.predict_action_probabilities(tracker, DOMAIN)
    assert sorted(prediction.probabilities)[-2:] == [0.0, CONFIDENCE]
    return str(DOMAIN.action_names_or_texts[prediction.probabilities.index(CONFIDENCE)])


BOOKING = [LISTEN, TEXT, FORM, ActiveLoop("booking_form"), LISTEN, TEXT]
REFUSED = [*BOOKING, ActionExecutionRejected("booking_form")]


@pytest.mark.parametrize(
    ("events", "next_action"),
    [
        ([], "action_llm_reply"),
        ([LISTEN, TEXT], "action_llm_reply"),
        # One text, one answer: after the model has spoken it is the customer's turn.
        ([LISTEN, TEXT, LLM, REPLY], "action_listen"),
        ([LISTEN, TEXT, LLM, REPLY, LISTEN, TEXT], "action_llm_reply"),
        ([LISTEN, TEXT, ActionExecuted("action_check_stock"), REPLY], "action_listen"),
        ([LISTEN, TEXT, ActionExecuted("utter_i_am_an_assistant"), REPLY], "action_listen"),
        # A form that cannot use a text lets the model answer it, and asks again.
        (REFUSED, "action_llm_reply"),
        ([*REFUSED, LLM, REPLY], "booking_form"),
        ([*REFUSED, LLM, REPLY, FORM], "action_listen"),
    ],
)
def test_what_comes_next(policy: LlmPolicy, events: list[Event], next_action: str) -> None:
    assert chosen(policy, after(events)) == next_action


def test_a_turn_costs_the_same_however_long_the_conversation(policy: LlmPolicy) -> None:
    """It does not even look at what was said."""
    tracker = after([LISTEN, TEXT, LLM, REPLY, LISTEN, TEXT])
    tracker.events = None
    assert chosen(policy, tracker) == "action_llm_reply"


def test_rules_win_over_the_model_and_the_model_over_the_fallback() -> None:
    config: dict[str, Any] = YAML(typ="safe").load(ROOT / "config.yml")
    [rules] = [p for p in config["policies"] if p["name"] == "RulePolicy"]
    assert rules["core_fallback_threshold"] < CONFIDENCE < 1
    # It would be predicted again after itself, until Rasa's breaker stops it: ten texts for one.
    assert rules["core_fallback_action_name"] != "action_llm_reply"


def test_training_says_what_is_missing_in_the_domain(policy: LlmPolicy) -> None:
    with pytest.raises(InvalidConfigException, match=r"domain\.yml must list action_llm_reply"):
        policy.train([], Domain.empty())


def test_rasa_test_finds_our_stories_and_not_those_of_installed_packages(tmp_path: Path) -> None:
    ours, theirs = (
        tmp_path / "tests" / "test_ours.yml",
        tmp_path / ".venv" / "x" / "test_theirs.yml",
    )
    for file in (ours, theirs):
        file.parent.mkdir(parents=True)
        file.touch()
    assert visible_files(str(tmp_path), lambda path: "test_" in path) == {str(ours)}
