"""The policy that sends a turn to the model, below rules and forms."""

from __future__ import annotations

from typing import Any

from rasa.core.constants import POLICY_PRIORITY
from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.shared.core.constants import ACTION_LISTEN_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import InvalidConfigException

LLM_ACTION = "action_llm_reply"

# Rules and forms are certain (1.0) and win; RulePolicy's fallback (0.3 in config.yml) loses.
CONFIDENCE = 0.5


@DefaultV1Recipe.register(
    DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True
)
class LlmPolicy(Policy):
    """Whatever no rule and no form takes goes to `action_llm_reply`.

    It looks at the last action only, so a turn costs the same however long the conversation is.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        # Priority counts between equal confidences only: any other policy goes first.
        return {POLICY_PRIORITY: 0}

    # Every parameter below is annotated because Rasa's training refuses the component otherwise.

    @staticmethod
    def supported_data() -> SupportedData:
        return SupportedData.ML_AND_RULE_DATA

    def train(
        self,
        training_trackers: list[TrackerWithCachedStates],
        domain: Domain,
        **kwargs: Any,
    ) -> Resource:
        """Learns nothing, and says at training time what would fail at the first text."""
        if LLM_ACTION not in domain.action_names_or_texts:
            raise InvalidConfigException(
                f"domain.yml must list {LLM_ACTION} under `actions`: LlmPolicy sends turns to it."
            )
        return self._resource

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        probabilities = self._default_predictions(domain)
        probabilities[domain.index_for_action(next_action(tracker))] = CONFIDENCE
        return self._prediction(probabilities)


def next_action(tracker: DialogueStateTracker) -> str:
    """What comes next if no rule and no form knows better."""
    if tracker.latest_action_name in (None, ACTION_LISTEN_NAME):
        return LLM_ACTION
    if tracker.latest_action_name == LLM_ACTION and tracker.active_loop_name:
        # The form could not use the text and the model answered it: the form asks again.
        return str(tracker.active_loop_name)
    # Also after custom actions: otherwise Rasa's fallback would say something more.
    return str(ACTION_LISTEN_NAME)
