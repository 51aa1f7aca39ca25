"""Tools: a Python function with type hints and a docstring becomes one that a model can call.

    from actions.tool import tool

    @tool
    async def order_status(order: str) -> str:
        \"\"\"Tells where an order is.

        Args:
            order: the number on the receipt, like A-1234
        \"\"\"

An assistant reaches the tools that its file lists under `tools`, and no others. A function may be
async or not; one that is not runs in a thread of its own. An argument with the type Turn is not the
model's: it is what the tool may know and do, beyond the result that the model reads.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, get_type_hints, overload

import docstring_parser
import pydantic
from rasa_sdk.events import EventType, FollowupAction, SlotSet

from connectors.assistant import Assistant

_F = TypeVar("_F", bound=Callable[..., Any])

TOOL_SECONDS = 8.0
LONGEST_RESULT = 6_000  # characters; a model pays for each

# Every tool that was made, by name.
TOOLS: dict[str, Tool] = {}


@dataclass
class Turn:
    """What a tool may know of the turn, and what it may do to the conversation.

    `slots` are Rasa's, as they were when the turn began. What is noted under `metadata` stands
    beside the answer in the tracker and in the session log.
    """

    assistant: Assistant
    now: datetime  # where the business is
    slots: Mapping[str, Any] = field(default_factory=dict)
    customer_said: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    events: list[EventType] = field(default_factory=list)
    said: str | None = None

    def set_slot(self, name: str, value: Any) -> None:
        """Sets a slot of domain.yml."""
        self.events.append(SlotSet(name, value))

    def start(self, action: str) -> None:
        """Goes on with a form, or another action, of domain.yml instead of the model."""
        self.events.append(FollowupAction(action))
        self.said = self.said or ""

    def say(self, text: str) -> None:
        """Ends the turn with this text; the model is not asked again."""
        self.said = text


@dataclass(frozen=True)
class Tool:
    """A function, and how a model is told about it."""

    name: str
    function: Callable[..., Any]
    description: str
    arguments: type[pydantic.BaseModel]
    turn_argument: str | None
    seconds: float
    needs: tuple[str, ...] = ()

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """As OpenAI's `tools` have it."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": _without_titles(self.arguments.schema()),
        }
        return {"type": "function", "function": function}

    async def call(self, arguments: str, turn: Turn) -> str:
        """The result as text. Raises BadArguments, and whatever the function raises."""
        given = self._read(arguments)
        if self.turn_argument:
            given[self.turn_argument] = turn
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**given)
        else:
            result = await _in_a_thread(self.function, given)
        return _as_text(result)

    def _read(self, arguments: str) -> dict[str, Any]:
        try:
            read = self.arguments.parse_obj(json.loads(arguments or "{}"))
        except pydantic.ValidationError as error:
            problems = [f"{_place(each)}: {each['msg']}" for each in error.errors()]
            raise BadArguments("; ".join(problems)) from None
        except ValueError:
            raise BadArguments("the arguments are no JSON object") from None
        return {name: getattr(read, name) for name in read.__fields__}


class BadArguments(Exception):
    """The model's arguments do not fit the function's; says which and why."""


@overload
def tool(function: _F) -> _F: ...


@overload
def tool(*, seconds: float = ..., needs: tuple[str, ...] = ...) -> Callable[[_F], _F]: ...


def tool(
    function: Any = None, *, seconds: float = TOOL_SECONDS, needs: tuple[str, ...] = ()
) -> Any:
    """Makes a tool of a function, which stays as it is.

    `seconds` is how long a call may take; `needs` are fields that an assistant with this tool must
    have. Raises TypeError for a function that no model could be told about.
    """
    if function is None:
        return functools.partial(_register, seconds=seconds, needs=needs)
    return _register(function, seconds, needs)


def _register(function: _F, seconds: float, needs: tuple[str, ...]) -> _F:
    made = _made(function, seconds, needs)
    known = TOOLS.setdefault(made.name, made)
    if _source(known.function) != _source(function):
        raise TypeError(f"two tools are called {made.name}: {_source(known.function)} and this one")
    TOOLS[made.name] = made
    return function


def _made(function: Callable[..., Any], seconds: float, needs: tuple[str, ...]) -> Tool:
    told = docstring_parser.parse(function.__doc__ or "")
    described = {param.arg_name: param.description for param in told.params}
    hints = get_type_hints(function)
    fields: dict[str, Any] = {}
    turn_argument = None
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"tool {function.__name__}: `{name}` has no type")
        if hints[name] is Turn:
            turn_argument = name
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (hints[name], pydantic.Field(default, description=described.get(name)))
    description = "\n".join(filter(None, [told.short_description, told.long_description]))
    if not description:
        raise TypeError(f"tool {function.__name__} has no docstring: how would a model know it?")
    arguments = pydantic.create_model(function.__name__, __config__=_Strict, **fields)
    name = function.__name__
    return Tool(name, function, description, arguments, turn_argument, seconds, needs)


class _Strict(pydantic.BaseConfig):
    extra = pydantic.Extra.forbid


def _source(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _place(error: Mapping[str, Any]) -> str:
    return ".".join(map(str, error["loc"]))


def _without_titles(schema: Any) -> Any:
    """pydantic gives everything a title, which tells a model nothing and costs tokens."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: _without_titles(each) for field, each in value.items()}
        if name == "properties"
        else _without_titles(value)
        for name, value in schema.items()
        if name != "title"
    }


def _as_text(result: Any) -> str:
    text = result if isinstance(result, str) else json.dumps(result, default=str)
    return text if len(text) <= LONGEST_RESULT else f"{text[:LONGEST_RESULT]} [cut here]"


async def _in_a_thread(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """A thread of its own: one that hangs takes no other's place, and does not keep the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        try:
            result, error = function(**given), None
        except Exception as raised:
            result, error = None, raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=function.__name__, daemon=True).start()
    return await done
