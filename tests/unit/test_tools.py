"""A model calls tools: what it is told, what it gets back, and what it cannot do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import types
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any, Literal

import pytest
from structlog.testing import capture_logs

from actions import tool as tools_room
from actions.assistants import turn_at
from actions.llm_reply import MOST_ROUNDS, Reply, ReplyWriter
from actions.tool import LONGEST_RESULT, TOOLS, Turn, tool
from actions.toolbox import MOST_CALLS, unknown_tools
from connectors.assistant import Assistant, Texts
from connectors.hours import read_hours
from connectors.settings import ROOT, Settings
from tests.fakes.model import Calls, Fails, FakeModel, Says

SHOP = Assistant(
    id="shop",
    name="Shop",
    prompt="You are a shop.",
    timezone="America/New_York",
    hours=read_hours({"monday-friday": "9-17"}, [date(2026, 12, 25)]),
    tools=("order_status", "opening_hours", "hand_over", "opt_out"),
    deadline_seconds=5,
    texts=Texts(apology="Sorry.", handed_over="A person comes.", opted_out="Bye."),
)
NOON_IN_NEW_YORK = datetime(2026, 11, 23, 17, 0, tzinfo=timezone.utc)


def order_status(order: str, turn: Turn, language: Literal["en", "es"] = "en") -> dict[str, Any]:
    """Tells where an order is.

    Args:
        order: the number on the receipt
    """
    turn.metadata["looked_up"] = order
    return {"order": order, "ready": True, "language": language}


@pytest.fixture(autouse=True)
def own_tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry of this test's own, with the shop's tool and those that ship."""
    from actions import tools

    tools.load()
    monkeypatch.setattr(tools_room, "TOOLS", TOOLS)
    before = dict(TOOLS)
    tool(order_status)
    yield
    TOOLS.clear()
    TOOLS.update(before)


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


async def answer(model: FakeModel, assistant: Assistant = SHOP) -> tuple[Reply, Turn]:
    writer = ReplyWriter(Settings.load({"LLM_BASE_URL": model.base_url}))
    turn = turn_at(NOON_IN_NEW_YORK, assistant, {}, "Hello")
    reply = await writer.reply_to([{"event": "user", "text": "Hello"}], turn)
    await writer.close()
    return reply, turn


# What a model is told


def test_the_schema_comes_from_hints_and_docstring() -> None:
    assert TOOLS["order_status"].schema == {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Tells where an order is.",
            "parameters": {
                "type": "object",
                "properties": {
                    "order": {"type": "string", "description": "the number on the receipt"},
                    "language": {"type": "string", "enum": ["en", "es"], "default": "en"},
                },
                "required": ["order"],
                "additionalProperties": False,
            },
        },
    }


def test_a_tool_that_no_model_could_understand_is_refused() -> None:
    def no_docstring(order: str) -> str:
        return order

    def no_type(order) -> str:  # type: ignore[no-untyped-def]
        """Says something."""
        return str(order)

    with pytest.raises(TypeError, match="no_docstring has no docstring"):
        tool(no_docstring)
    with pytest.raises(TypeError, match="`order` has no type"):
        tool(no_type)


def test_two_tools_cannot_have_one_name() -> None:
    other = types.FunctionType(order_status.__code__, globals(), "order_status")
    other.__module__, other.__doc__ = "elsewhere", "Another one."
    other.__annotations__ = order_status.__annotations__
    with pytest.raises(TypeError, match="two tools are called order_status"):
        tool(other)


async def test_an_assistant_without_tools_sends_none(model: FakeModel) -> None:
    await answer(model, replace(SHOP, tools=()))
    assert "tools" not in model.requests[0]


# What it gets back


async def test_a_tool_is_called_and_the_model_words_the_answer(model: FakeModel) -> None:
    model.script = [Calls.one("order_status", order="A-1"), Says("It is ready.")]
    reply, _ = await answer(model)
    assert reply.text == "It is ready."
    assert json.loads(model.tool_results[0]) == {"order": "A-1", "ready": True, "language": "en"}
    [called] = reply.metadata["tools"]
    assert called.pop("ms") >= 0
    assert called == {"name": "order_status", "arguments": '{"order": "A-1"}', "outcome": "ok"}
    assert reply.metadata["looked_up"] == "A-1"
    assert (reply.metadata["prompt_tokens"], len(reply.metadata["attempts"])) == (24, 2)


async def test_several_calls_of_one_round_run_side_by_side(model: FakeModel) -> None:
    met = asyncio.Event()

    async def wait_for_the_other(name: str) -> str:
        """Waits."""
        if name == "second":
            met.set()
        await met.wait()
        return name

    tool(wait_for_the_other)
    calls = [("wait_for_the_other", {"name": name}) for name in ("first", "second")]
    model.script = [Calls(calls), Says("Done.")]
    await answer(model, replace(SHOP, tools=("wait_for_the_other",)))
    assert model.tool_results == ["first", "second"]


@pytest.mark.parametrize(
    ("call", "outcome", "told"),
    [
        (("order_status", {}), "bad_arguments", "order: field required"),
        (("order_status", {"order": "A", "x": 1}), "bad_arguments", "x: extra fields"),
        (("order_status", {"order": "A", "language": "fr"}), "bad_arguments", "language"),
        (("order_status", '{"order": '), "bad_arguments", "no JSON object"),
        (("order_status", "[1]"), "bad_arguments", "expected dict not list"),
        (("os.system", {"command": "ls"}), "unknown", "there is no such tool"),
        (("search_knowledge", {"query": "x"}), "unknown", "there are: order_status"),
    ],
)
async def test_a_bad_call_is_explained_to_the_model(
    model: FakeModel, call: tuple[str, Any], outcome: str, told: str
) -> None:
    """The last one is a tool that exists, and that this assistant was not given."""
    model.script = [Calls([call]), Says("I cannot look that up.")]
    reply, _ = await answer(model)
    assert reply.text == "I cannot look that up."
    assert reply.metadata["tools"][0]["outcome"] == outcome
    assert told in json.loads(model.tool_results[0])["error"]


async def test_a_tool_that_fails_does_not_silence_the_assistant(model: FakeModel) -> None:
    def order_status_of_friday() -> str:
        """Fails."""
        raise RuntimeError("the till is down")

    tool(order_status_of_friday)
    model.script = [Calls.one("order_status_of_friday"), Says("I can't see that now.")]
    with capture_logs() as logs:
        reply, _ = await answer(model, replace(SHOP, tools=("order_status_of_friday",)))
    assert reply.text == "I can't see that now."
    assert reply.metadata["tools"][0]["outcome"] == "failed"
    assert "till" not in model.tool_results[0]  # the log's readers need it, the model does not
    assert any("the till is down" in line.get("trace", "") for line in logs)


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_tool_that_hangs_does_not_either(model: FakeModel, kind: str) -> None:
    async def hangs() -> str:
        """Hangs."""
        await asyncio.sleep(60)
        return ""

    def hangs_in_a_thread() -> str:
        """Hangs."""
        time.sleep(5)
        return ""

    chosen = hangs if kind == "async" else hangs_in_a_thread
    tool(seconds=0.1)(chosen)
    model.script = [Calls.one(chosen.__name__), Says("That takes too long.")]
    reply, _ = await answer(model, replace(SHOP, tools=(chosen.__name__,)))
    assert reply.text == "That takes too long."
    assert reply.metadata["tools"][0]["outcome"] == "timeout"


async def test_a_hanging_tool_leaves_time_for_words(model: FakeModel) -> None:
    async def hangs_long() -> str:
        """Hangs."""
        await asyncio.sleep(60)
        return ""

    tool(seconds=60)(hangs_long)
    model.script = [Calls.one("hangs_long"), Says("Sorry, no.")]
    reply, _ = await answer(model, replace(SHOP, tools=("hangs_long",), deadline_seconds=2))
    assert reply.text == "Sorry, no."


async def test_a_long_result_is_cut(model: FakeModel) -> None:
    def everything() -> str:
        """Says everything."""
        return "x" * 100_000

    tool(everything)
    model.script = [Calls.one("everything"), Says("Much.")]
    await answer(model, replace(SHOP, tools=("everything",)))
    assert model.tool_results[0] == "x" * LONGEST_RESULT + " [cut here]"


async def test_rounds_are_bounded(model: FakeModel) -> None:
    model.script = [*[Calls.one("order_status", order="A")] * MOST_ROUNDS, Says("Enough.")]
    reply, _ = await answer(model)
    assert reply.text == "Enough."
    assert "tools" in model.requests[MOST_ROUNDS - 1]
    assert "tools" not in model.requests[MOST_ROUNDS]  # it has to answer now


async def test_a_model_that_does_nothing_but_call_gets_the_apology_said(model: FakeModel) -> None:
    model.script = [Calls.one("order_status", order="A")]
    reply, _ = await answer(model)
    assert (reply.text, reply.metadata["reason"]) == ("Sorry.", "tools_only")


async def test_calls_of_a_round_are_bounded(model: FakeModel) -> None:
    calls = [("order_status", {"order": str(n)}) for n in range(MOST_CALLS + 2)]
    model.script = [Calls(calls), Says("Many.")]
    reply, _ = await answer(model)
    assert len(reply.metadata["tools"]) == MOST_CALLS
    assert ["too many" in result for result in model.tool_results[MOST_CALLS:]] == [True, True]


async def test_the_second_model_goes_on_where_the_first_failed(model: FakeModel) -> None:
    """With the tool's result: nothing is looked up twice."""
    model.script = [Calls.one("order_status", order="A-1"), Fails(500)]
    async with FakeModel(script=[Says("It is ready.")]) as second:
        settings = {"LLM_BASE_URL": model.base_url, "LLM_FALLBACK_BASE_URL": second.base_url}
        writer = ReplyWriter(Settings.load(settings))
        turn = turn_at(NOON_IN_NEW_YORK, SHOP, {}, "Hello")
        reply = await writer.reply_to([{"event": "user", "text": "Hello"}], turn)
        await writer.close()
        assert second.tool_results == ['{"order": "A-1", "ready": true, "language": "en"}']
    assert (reply.text, reply.metadata["outcome"]) == ("It is ready.", "fallback_model")
    rungs = [(a["rung"], a["outcome"]) for a in reply.metadata["attempts"]]
    assert rungs == [("model", "answered"), ("model", "server_error"), ("fallback", "answered")]


async def test_no_words_of_a_customer_are_in_the_log(model: FakeModel) -> None:
    model.script = [Calls.one("order_status", order="secret-4711"), Says("Ready.")]
    with capture_logs() as logs:
        await answer(model)
    assert "4711" not in str(logs)
    assert [line["tool"] for line in logs if line["event"] == "tool.called"] == ["order_status"]


# The tools that ship


async def test_opening_hours(model: FakeModel) -> None:
    model.script = [Calls.one("opening_hours", day="2026-12-25"), Says("Closed.")]
    await answer(model)
    assert json.loads(model.tool_results[0]) == {
        "now": "Monday 2026-11-23 12:00",
        "open_now": True,
        "opens_next": "Tuesday 2026-11-24 09:00",
        "Friday 2026-12-25": "closed",
        "usual_week": "Monday to Friday 9:00-17:00, Saturday and Sunday closed",
    }


async def test_handing_over_pauses_the_assistant_and_says_so(model: FakeModel) -> None:
    model.script = [Calls.one("hand_over", reason="wants a refund")]
    reply, _ = await answer(model)
    assert (reply.text, reply.metadata["outcome"]) == ("A person comes.", "tool")
    assert reply.metadata["hand_over"] == {"reason": "wants a refund", "asked_by": "model"}
    assert [event["event"] for event in reply.events] == ["pause"]
    assert len(model.requests) == 1  # it is not asked again


async def test_nobody_is_handed_over_to_where_there_is_nobody(model: FakeModel) -> None:
    model.script = [Calls.one("hand_over", reason="x"), Says("Nobody is here.")]
    reply, _ = await answer(model, replace(SHOP, hand_over_minutes=0))
    assert (reply.text, reply.events) == ("Nobody is here.", [])
    assert "Nobody can take over" in model.tool_results[0]


async def test_opting_out_is_noted_for_the_commit(model: FakeModel) -> None:
    model.script = [Calls.one("opt_out")]
    reply, _ = await answer(model)
    assert (reply.text, reply.metadata["opt_out"]) == ("Bye.", True)


async def test_a_tool_can_set_slots_and_start_a_form(model: FakeModel) -> None:
    def book(turn: Turn, day: date) -> str:
        """Books a service."""
        turn.set_slot("day", day.isoformat())
        turn.start("service_form")
        return "started"

    tool(book)
    model.script = [Calls.one("book", day="2026-12-01")]
    reply, _ = await answer(model, replace(SHOP, tools=("book",)))
    assert reply.text == ""
    slot, form = reply.events
    assert (slot["event"], slot["name"], slot["value"]) == ("slot", "day", "2026-12-01")
    assert (form["event"], form["name"]) == ("followup", "service_form")


def test_tools_that_are_not_there_are_named_at_the_start() -> None:
    assistant = replace(SHOP, tools=("nonsense", "search_knowledge", "opening_hours"))
    found = [problem for _, problem in unknown_tools(assistant)]
    assert "there is no tool nonsense; there are hand_over" in found[0]


def test_the_action_server_loads_nothing_big_that_it_may_not_need() -> None:
    code = (
        "import sys; from rasa_sdk.executor import ActionExecutor\n"
        "ActionExecutor().register_package('actions')\n"
        "print(sorted({'pypdf', 'openai', 'rasa', 'sqlalchemy'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    assert ended.stdout == "[]\n"
