"""A session's events as the messages that a model reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from actions.fence import fenced, without_marks
from connectors.transcript import words_of

# English has four bytes a token, Chinese three.
BYTES_PER_TOKEN = 3

Role = Literal["user", "assistant"]


class ChatMessage(TypedDict):
    """One side's words until the other side speaks."""

    role: Role
    content: str


def conversation(events: Iterable[Any], *, whole: bool = False) -> list[ChatMessage]:
    """What customer and assistant said in this session, alternating, the customer first and last;
    `whole` also has what the assistant said before and after that.

    Takes the events of a tracker as Rasa sends them to the action server; skips what is none.
    """
    messages: list[ChatMessage] = []
    for event in _applied(events):
        said = _said(event)
        if said is None:
            continue
        if messages and messages[-1]["role"] == said["role"]:
            messages[-1]["content"] += "\n" + said["content"]
        else:
            messages.append(said)
    return messages if whole else _from_customer_to_customer(messages)


def with_summary(summary: str, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages, the first of them with what was said before it. It stays the customer's: the
    words in it are theirs, and may claim anything."""
    if not summary or not messages:
        return list(messages)
    before = fenced(summary, "what was said before, in short")
    first: ChatMessage = {"role": "user", "content": f"{before}\n{messages[0]['content']}"}
    return [first, *messages[1:]]


def fitted(messages: Sequence[ChatMessage], tokens: int) -> list[ChatMessage]:
    """The newest messages that fit, the customer first; of the last one at least its end.

    They are dropped half a budget at a time, so that the beginning of what the model reads stays
    the same for many turns: servers keep what they computed for it.
    """
    over = sum(map(_tokens, messages)) - tokens
    step = max(tokens // 2, 1)
    excess = -(-over // step) * step if over > 0 else 0
    kept = list(messages)
    while excess > 0 and len(kept) > 1:
        excess -= _tokens(kept.pop(0))
    kept = _from_customer_to_customer(kept) or list(messages[-1:])
    if kept and sum(map(_tokens, kept)) > tokens:
        kept = [{"role": "user", "content": _end_of(kept[-1]["content"], tokens)}]
    return kept


def _applied(events: Iterable[Any]) -> list[Mapping[str, Any]]:
    """The events that still count, as Rasa counts them."""
    applied: list[Mapping[str, Any]] = []
    for event in events:
        kind = event.get("event") if isinstance(event, Mapping) else None
        if kind in ("session_started", "restart"):
            applied.clear()
        elif kind == "rewind":
            _drop_back_to("user", applied)
        elif kind == "undo":
            _drop_back_to("action", applied)
        elif kind in ("user", "bot", "action"):
            applied.append(event)
    return applied


def _drop_back_to(kind: str, applied: list[Mapping[str, Any]]) -> None:
    while applied and applied.pop()["event"] != kind:
        pass


def _said(event: Mapping[str, Any]) -> ChatMessage | None:
    content = "" if event["event"] == "action" else without_marks(words_of(event))
    if not content:
        return None
    return {"role": "user" if event["event"] == "user" else "assistant", "content": content}


def _from_customer_to_customer(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Some models refuse any other beginning, and would continue an assistant's last words."""
    spoken = [index for index, message in enumerate(messages) if message["role"] == "user"]
    return messages[spoken[0] : spoken[-1] + 1] if spoken else []


def tokens_of(text: str) -> int:
    """A guess that is rather too high."""
    return len(text.encode(errors="replace")) // BYTES_PER_TOKEN + 5


def _tokens(message: ChatMessage) -> int:
    return tokens_of(message["content"])


def _end_of(text: str, tokens: int) -> str:
    room = max(tokens - 5, 1) * BYTES_PER_TOKEN
    return text.encode(errors="replace")[-room:].decode(errors="ignore")
