"""Shorter ways through Rasa that come to the same end.

Each replaces one function of Rasa 3.6.21 and keeps its results and errors, which
tests/unit/test_rasa_speed.py compares. RASA_SPEED_FIXES=off leaves Rasa as it is.
"""

from __future__ import annotations

import asyncio
import logging
from copy import copy
from functools import cache
from typing import Any

import aiohttp
import sentry_sdk
import structlog
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.exceptions import GraphRunError
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.constants import DOCS_BASE_URL
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import Event, FollowupAction, Restarted
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.utils.common import all_subclasses
from rasa.utils.endpoints import DEFAULT_REQUEST_TIMEOUT, EndpointConfig
from structlog_sentry import SentryProcessor

from connectors import rasa_rules

# Sooner than Sanic's default of 5 s, at which an action server hangs up: a request on a connection
# that just ends is an answer lost.
IDLE_SECONDS = 4.0

_rasas_log = logging.getLogger("rasa.core.policies.rule_policy")
_original_resolve = Event.resolve_by_type
_original_format = RulePolicy.format_tracker_states
original_copy = DialogueStateTracker.copy


def apply() -> None:
    """Put the shorter ways in their places; as often as you like."""
    RemoteAction._validate_action_result = validate_action_result
    Event.resolve_by_type = staticmethod(resolve_by_type)
    EndpointConfig.session = session
    DaskGraphRunner.run = run_graph
    RulePolicy.format_tracker_states = staticmethod(format_tracker_states)
    RulePolicy.predict_action_probabilities = rasa_rules.predict_action_probabilities
    Domain.is_empty = is_empty
    DialogueStateTracker.copy = copy_tracker
    drop_idle_sentry()


def validate_action_result(action: RemoteAction, result: Any) -> bool:
    """Rasa checks the schema itself, which never changes, at each call: 27 to 45 ms."""
    error = best_match(_validator().iter_errors(result))
    if error is None:
        return True
    error.message += (
        ". Failed to validate Action server response from API, "
        "make sure your response from the Action endpoint is valid. "
        f"For more information about the format visit {DOCS_BASE_URL}/custom-actions"
    )
    raise error


@cache
def _validator() -> Any:
    schema = RemoteAction.action_response_format_spec()
    return validator_for(schema)(schema)


def resolve_by_type(type_name: str, default: type[Event] | None = None) -> type[Event] | None:
    """Rasa walks through all subclasses for every event: 85 % of loading a conversation."""
    found = _event_classes().get(type_name)
    # What is not in the map may have been defined later; Rasa's own way also knows the errors.
    return found or _original_resolve(type_name, default)


@cache
def _event_classes() -> dict[str, type[Event]]:
    classes: dict[str, type[Event]] = {}
    for event_class in all_subclasses(Event):
        classes.setdefault(event_class.type_name, event_class)
    return classes


def session(endpoint: EndpointConfig) -> aiohttp.ClientSession:
    """Rasa connects anew for every call of the action server; here the connections are kept."""
    user = endpoint.basic_auth
    return aiohttp.ClientSession(
        headers=endpoint.headers,
        auth=aiohttp.BasicAuth(user["username"], user["password"]) if user else None,
        timeout=aiohttp.ClientTimeout(total=DEFAULT_REQUEST_TIMEOUT),
        connector=_connections(),
        connector_owner=False,
    )


class _Connections(aiohttp.TCPConnector):
    def __del__(self, _warnings: Any = None) -> None:
        """Says nothing: `rasa shell` tells nobody that it ends, and the system closes them then."""


_kept: dict[asyncio.AbstractEventLoop, _Connections] = {}


def run_graph(
    runner: DaskGraphRunner, inputs: dict[str, Any] | None = None, targets: list[str] | None = None
) -> dict[str, Any]:
    """Rasa asks dask, a scheduler for clusters, to run a handful of functions one by one."""
    wanted = targets or runner._graph_schema.target_names
    graph = dict(_graph(runner, tuple(wanted)))
    if inputs:
        runner._add_inputs_to_graph(inputs, graph)
    for name in wanted:
        if name not in graph:
            raise KeyError(name)
    results: dict[str, Any] = {name: graph[name] for name in inputs or {}}
    try:
        return dict(_result(name, graph, results) for name in wanted)
    except RuntimeError as error:
        raise GraphRunError("Error running runner.") from error


def _graph(runner: DaskGraphRunner, wanted: tuple[str, ...]) -> dict[str, Any]:
    """The nodes that these need. A model's graph never changes, so it is worked out once."""
    graphs: dict[tuple[str, ...], dict[str, Any]] = vars(runner).setdefault("_graphs", {})
    if wanted not in graphs:
        schema = runner._graph_schema.minimal_graph_schema(list(wanted))
        graphs[wanted] = runner._build_dask_graph(schema)
    return graphs[wanted]


def _result(name: str, graph: dict[str, Any], results: dict[str, Any]) -> Any:
    """What a node gives, after all that it needs; what is no node stands for itself."""
    if name not in results:
        if name not in graph:
            return name
        node, *needs = graph[name]
        results[name] = node(*(_result(need, graph, results) for need in needs))
    return results[name]


def format_tracker_states(states: list[dict[str, Any]]) -> str:
    """Rasa words the whole conversation for a line of its debug log, also when there is none."""
    return _original_format(states) if _rasas_log.isEnabledFor(logging.DEBUG) else ""


def is_empty(domain: Domain) -> bool:
    """Rasa makes an empty domain for every text, to compare its own with."""
    return bool(domain.as_dict() == _empty())


@cache
def _empty() -> dict[str, Any]:
    return dict(Domain.empty().as_dict())


def copy_tracker(tracker: DialogueStateTracker) -> DialogueStateTracker:
    """Rasa replays all events for the copy that an action gets; here it gets what came of them."""
    kinds = set(map(type, tracker.events))
    if any(issubclass(kind, (FollowupAction, Restarted)) for kind in kinds):
        return original_copy(tracker)  # a replay brings back an action that was taken off already
    copied = tracker.init_copy()
    copied.events.extend(tracker.events)
    copied.slots = {name: copy(slot) for name, slot in tracker.slots.items()}
    copied.active_loop = copy(tracker.active_loop)
    copied.latest_action = copy(tracker.latest_action)
    for told in ("_paused", "followup_action", "latest_message", "latest_bot_utterance"):
        setattr(copied, told, getattr(tracker, told))
    return copied


def drop_idle_sentry() -> None:
    """Rasa passes every line of the log to Sentry, also when Sentry is not connected."""
    processors = structlog.get_config()["processors"]
    if sentry_sdk.Hub.current.client is None:
        # In place: loggers that are in use already share this list.
        processors[:] = [each for each in processors if not isinstance(each, SentryProcessor)]


async def close() -> None:
    """Let go of the kept connections."""
    while _kept:
        await _kept.popitem()[1].close()


def _connections() -> _Connections:
    loop = asyncio.get_running_loop()
    if loop not in _kept:
        _kept.clear()  # those of a loop that is over
        # As many at once as Rasa would have: each of its calls has a connector of its own.
        _kept[loop] = _Connections(limit=0, keepalive_timeout=IDLE_SECONDS)
    return _kept[loop]
