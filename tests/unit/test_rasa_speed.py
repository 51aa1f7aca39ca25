"""The shorter ways through Rasa come to the same end as Rasa's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sentry_sdk
import structlog
from jsonschema import ValidationError
from rasa.core.actions.action import RemoteAction
from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.exceptions import GraphComponentException
from rasa.engine.graph import GraphComponent, GraphSchema, SchemaNode
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    ConversationPaused,
    Event,
    FollowupAction,
    LoopInterrupted,
    Restarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.slots import TextSlot
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.shared.utils.common import all_subclasses
from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from structlog_sentry import SentryProcessor

from connectors import rasa_speed

rasas_validate = RemoteAction._validate_action_result
rasas_resolve = Event.resolve_by_type
rasas_session = EndpointConfig.session
rasas_graph_run = DaskGraphRunner.run
rasas_format = RulePolicy.format_tracker_states
rasas_prediction = RulePolicy.predict_action_probabilities
rasas_is_empty = Domain.is_empty
rasas_copy = DialogueStateTracker.copy


@pytest.fixture(autouse=True)
def rasa_as_it_was() -> Iterator[None]:
    processors = list(structlog.get_config()["processors"])
    yield
    RemoteAction._validate_action_result = rasas_validate
    Event.resolve_by_type = staticmethod(rasas_resolve)
    EndpointConfig.session = rasas_session
    DaskGraphRunner.run = rasas_graph_run
    RulePolicy.format_tracker_states = staticmethod(rasas_format)
    RulePolicy.predict_action_probabilities = rasas_prediction
    Domain.is_empty = rasas_is_empty
    DialogueStateTracker.copy = rasas_copy
    structlog.get_config()["processors"][:] = processors


def outcome(ask: Callable[[], Any]) -> Any:
    """What it returns, or what it raises, with all that it says."""
    try:
        return ask()
    except Exception as error:
        return type(error), str(error)


SLOT = {"event": "slot", "name": "size", "value": 1, "timestamp": None}
GOOD = [
    {"events": [], "responses": []},
    {},
    {"events": [SLOT], "responses": [{"text": "hello", "latency_ms": 3}]},
    {"events": [{"event": "bot", "text": "a", "data": {}}], "responses": []},
    {"events": [{"event": "restart"}, {"event": "session_started"}]},
    {"something": "else"},
]
BAD: list[Any] = [
    None,
    [],
    "text",
    {"events": None},
    {"responses": "hello"},
    {"responses": ["hello"]},
    {"events": [{"event": "no such event"}]},
    {"events": [{"event": "slot", "name": 5}]},
    {"events": [SLOT, {"event": "slot", "timestamp": "now"}]},
    {"events": [{"timestamp": "now"}], "responses": [1]},
]


@pytest.mark.parametrize("result", GOOD, ids=repr)
def test_a_good_answer_of_the_action_server_is_good(result: Any) -> None:
    action = RemoteAction("action_llm_reply", None)
    assert rasas_validate(action, result) is True
    assert rasa_speed.validate_action_result(action, result) is True


@pytest.mark.parametrize("result", BAD, ids=repr)
def test_a_bad_answer_of_the_action_server_is_refused_in_rasas_words(result: Any) -> None:
    action = RemoteAction("action_llm_reply", None)
    refusal = outcome(lambda: rasas_validate(action, result))
    assert refusal[0] is ValidationError
    assert outcome(lambda: rasa_speed.validate_action_result(action, result)) == refusal


def names_of_events() -> list[str]:
    return sorted({str(event_class.type_name) for event_class in all_subclasses(Event)})


@pytest.mark.parametrize("name", [*names_of_events(), "topic", "no such event", "", None])
@pytest.mark.parametrize("default", [None, UserUttered])
def test_every_event_is_found_as_by_rasa(name: Any, default: Any) -> None:
    expected = outcome(lambda: rasas_resolve(name, default))
    assert outcome(lambda: rasa_speed.resolve_by_type(name, default)) == expected


def test_an_event_that_somebody_defines_later_is_found_too() -> None:
    rasa_speed.resolve_by_type("user")

    class Later(UserUttered):
        type_name = "later"

    assert rasa_speed.resolve_by_type("later") is Later


class Server:
    """Answers each request with what it was sent, and counts the connections that it was made."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.status = b"200 OK"
        self.serving: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head)
                body = await reader.readexactly(length)
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n" % self.status
                    + b"Content-Length: %d\r\n\r\n%b" % (length, body)
                )
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/webhook"
    await rasa_speed.close()
    listening.close()
    await asyncio.gather(*filter(None, server.serving))


ENDPOINT = {
    "headers": {"X-Of-The-Endpoint": "yes"},
    "basic_auth": {"username": "rasa", "password": "secret"},
    "token": "a-token",
}


async def test_calls_of_the_action_server_share_a_connection(server: tuple[Server, str]) -> None:
    counting, url = server
    rasa_speed.apply()
    endpoint = EndpointConfig(url)
    answers = [await endpoint.request(json={"turn": turn}) for turn in range(3)]
    assert answers == [{"turn": turn} for turn in range(3)]
    assert counting.connections == 1
    together = await asyncio.gather(*(endpoint.request(json={"turn": turn}) for turn in range(5)))
    assert together == [{"turn": turn} for turn in range(5)]


async def test_a_call_on_a_kept_connection_says_the_same(server: tuple[Server, str]) -> None:
    counting, url = server
    await EndpointConfig(url, **ENDPOINT).request(json={})
    rasa_speed.apply()
    for _ in range(2):
        await EndpointConfig(url, **ENDPOINT).request(json={})
    rasas, first, second = counting.requests
    assert first == second == rasas


async def test_a_refusal_on_a_kept_connection_is_the_same_error(
    server: tuple[Server, str],
) -> None:
    counting, url = server
    counting.status = b"400 Bad Request"

    async def refused() -> str:
        with pytest.raises(ClientResponseError) as caught:
            await EndpointConfig(url).request(json={"error": "no"})
        return str(caught.value)

    rasas = await refused()
    rasa_speed.apply()
    assert await refused() == rasas


@dataclass
class Node:
    """A node of a graph: it says what it got, and counts how often it was asked."""

    name: str
    asked: int = 0

    def __call__(self, *given: Any) -> tuple[str, Any]:
        self.asked += 1
        if self.name == "bad" or (self.name == "fragile" and ("text", "break") in given):
            raise RuntimeError("broken")
        if self.name == "worse":
            raise GraphComponentException("worse")
        return self.name, (self.name, given)


def graph() -> tuple[DaskGraphRunner, dict[str, Node]]:
    """A runner of Rasa's whose components are these nodes."""
    needs = {
        "tokenizer": {"messages": "text"},
        "classifier": {"messages": "tokenizer"},
        "fallback": {"messages": "classifier", "tokens": "tokenizer"},
        "policy": {"tracker": "tracker", "messages": "fallback"},
        "alone": {},
        "bad": {"messages": "tokenizer"},
        "worse": {"messages": "tokenizer"},
        "fragile": {"messages": "text"},
    }
    schema = GraphSchema(
        {
            name: SchemaNode(wants, GraphComponent, "create", "run", {}, is_target=name == "policy")
            for name, wants in needs.items()
        }
    )
    runner = DaskGraphRunner.__new__(DaskGraphRunner)
    nodes = {name: Node(name) for name in needs}
    runner._graph_schema, runner._instantiated_nodes = schema, nodes
    runner._execution_context = None
    return runner, nodes


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        ({"text": "hello", "tracker": [1, 2]}, ["policy"]),
        ({"text": "hello", "tracker": [1, 2]}, None),
        ({"text": "hello"}, ["fallback", "alone", "classifier"]),
        ({"text": "hello"}, ["policy"]),  # without its tracker
        (None, ["alone"]),
        ({"text": "policy", "tracker": 1}, ["policy"]),  # an input that is called like a node
        ({"text": "hello"}, ["no such node"]),
        ({"text": "hello"}, ["text"]),
        ({"text": "hello"}, ["bad"]),
        ({"text": "hello"}, ["worse"]),
        ({"text": "break"}, ["alone", "fragile"]),
    ],
)
def test_a_graph_gives_what_it_gave_to_dask(inputs: Any, targets: Any) -> None:
    rasas, rasas_nodes = graph()
    ours, our_nodes = graph()
    expected = outcome(lambda: rasas_graph_run(rasas, inputs, targets))
    assert outcome(lambda: rasa_speed.run_graph(ours, inputs, targets)) == expected
    if isinstance(expected, dict):
        assert our_nodes == rasas_nodes


def test_a_debug_log_still_has_the_states(caplog: pytest.LogCaptureFixture) -> None:
    states = [{"user": {"text": "hello"}, "prev_action": {"action_name": "action_listen"}}]
    log = "rasa.core.policies.rule_policy"
    with caplog.at_level(logging.DEBUG, log):
        assert rasa_speed.format_tracker_states(states) == rasas_format(states)
    with caplog.at_level(logging.INFO, log):
        assert rasa_speed.format_tracker_states(states) == ""


@pytest.mark.parametrize(
    "domain",
    [
        {},
        {"intents": ["greet"]},
        {"responses": {"utter_hello": [{"text": "hello"}]}},
        {"session_config": {"session_expiration_time": 5}},
    ],
    ids=str,
)
def test_an_empty_domain_is_empty(domain: dict[str, Any]) -> None:
    read = Domain.from_dict(domain)
    assert rasa_speed.is_empty(read) is rasas_is_empty(read) is (not domain)


@pytest.mark.parametrize("slots", [[TextSlot("size", mappings=[])], None], ids=["own", "any"])
def test_what_happens_to_a_copy_happens_to_it_alone(slots: list[TextSlot] | None) -> None:
    """tests/integration/test_window.py shows, over random sessions, that it tells the same."""
    tracker = DialogueStateTracker("ada", slots)
    tracker.update(UserUttered("hello"))
    tracker.update(ActiveLoop("form"))
    tracker.update(SlotSet("size", "small"))
    tracker.model_id, tracker.assistant_id = "model", "assistant"
    before = tracker.current_state(EventVerbosity.ALL)
    copied = rasa_speed.copy_tracker(tracker)
    assert all_of(copied) == all_of(rasas_copy(tracker))
    for event in (SlotSet("size", "big"), ActionExecuted("form"), LoopInterrupted(True)):
        copied.update(event)
    copied.update(ConversationPaused())
    assert tracker.current_state(EventVerbosity.ALL) == before
    assert not tracker.is_paused()


@pytest.mark.parametrize("event", [FollowupAction("action_check"), Restarted()], ids=str)
def test_a_copy_knows_of_an_action_that_was_taken_off_already(event: Event) -> None:
    tracker = DialogueStateTracker("ada", [])
    tracker.update(event)
    tracker.clear_followup_action()  # as Rasa does before it runs it
    assert all_of(rasa_speed.copy_tracker(tracker)) == all_of(rasas_copy(tracker))


def all_of(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {**vars(tracker), "slots": {name: vars(slot) for name, slot in tracker.slots.items()}}


@pytest.mark.parametrize("connected", [False, True])
def test_sentry_gets_the_log_only_when_it_is_connected(
    connected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    processors = [structlog.stdlib.add_log_level, SentryProcessor()]
    monkeypatch.setattr(structlog, "get_config", lambda: {"processors": processors})
    hub = sentry_sdk.Hub(sentry_sdk.Client(default_integrations=False) if connected else None)
    with hub:
        rasa_speed.drop_idle_sentry()
    assert len(processors) == 1 + connected


def test_one_switch_leaves_rasa_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.session_store import SessionStore

    monkeypatch.setenv("RASA_SPEED_FIXES", "off")
    SessionStore()
    assert RemoteAction._validate_action_result is rasas_validate
    assert Event.resolve_by_type is rasas_resolve
    assert EndpointConfig.session is rasas_session
    assert DaskGraphRunner.run is rasas_graph_run
    assert RulePolicy.format_tracker_states is rasas_format
    assert RulePolicy.predict_action_probabilities is rasas_prediction
    assert Domain.is_empty is rasas_is_empty
    assert DialogueStateTracker.copy is rasas_copy
    monkeypatch.setenv("RASA_SPEED_FIXES", "on")
    SessionStore()
    assert RemoteAction._validate_action_result is rasa_speed.validate_action_result
