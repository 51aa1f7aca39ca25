"""Where no rule can apply, Rasa need not look for one.

RulePolicy holds its rules against the states of a conversation, and makes these by replaying all of
it: twice after a text, once more after each action. But every rule says what the last state must
be, and that one is known without a replay. Most turns are the model's: no rule has a word in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rasa.core.policies.policy import PolicyPrediction
from rasa.core.policies.rule_policy import RULES, RULES_NOT_IN_STORIES, RulePolicy
from rasa.shared.core.domain import Domain, State
from rasa.shared.core.events import ActiveLoop
from rasa.shared.core.trackers import DialogueStateTracker

original_prediction = RulePolicy.predict_action_probabilities


def predict_action_probabilities(
    policy: RulePolicy,
    tracker: DialogueStateTracker,
    domain: Domain,
    rule_only_data: dict[str, Any] | None = None,
    **more: Any,
) -> PolicyPrediction:
    """What RulePolicy predicts."""
    if type(policy) is not RulePolicy or _may_apply(policy, tracker, domain):
        return original_prediction(policy, tracker, domain, rule_only_data, **more)
    return policy._rule_prediction(policy._default_predictions(domain), None)


def _may_apply(policy: RulePolicy, tracker: DialogueStateTracker, domain: Domain) -> bool:
    """Whether a rule, a form or a command such as /restart may have something to say."""
    if any(issubclass(kind, ActiveLoop) for kind in set(map(type, tracker.events))):
        return True  # a replay leaves out most turns of a form, and may end in another state
    if policy._find_action_from_default_actions(tracker)[0]:
        return True
    rules = _rules(policy)
    return any(
        policy._is_rule_applicable(rule, 0, state)
        for state in _last_states(policy, tracker, domain)
        for rule in rules
    )


def _rules(policy: RulePolicy) -> set[str]:
    """As Rasa keeps them, in JSON; with the states from which it knows that no rule follows."""
    known = policy.lookup.get(RULES_NOT_IN_STORIES, [])
    return {*policy.lookup[RULES], *(states for states in known if states.startswith("["))}


def _last_states(
    policy: RulePolicy, tracker: DialogueStateTracker, domain: Domain
) -> Iterator[State]:
    """The last state with the text that was heard, and with its intent: rules may name either."""
    for by_text in (True, False):
        state = domain.get_active_state(tracker)
        policy.featurizer._choose_last_user_input([[state]], by_text)
        yield state
