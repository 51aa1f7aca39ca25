"""Below `make run` a log is for people: no time twice, no JSON, no chatter of libraries."""

from __future__ import annotations

import datetime
import io

import pytest
from honcho.printer import Message

from local.lines import readable
from local.together import Lines

NOW = "2026-11-23 16:39:38"


def test_a_step_of_a_text_is_a_line_of_words() -> None:
    said = '{"sid": "SM1", "customer": "+1***9001", "event": "sms.accepted", "level": "info"}'
    line = f"{NOW} INFO     connectors.webhooks  - {said}"
    assert readable(line) == "sms.accepted sid=SM1 customer=+1***9001"


def test_a_warning_says_that_it_is_one_and_its_sentences_are_quoted() -> None:
    said = '{"reason": "not signed for this URL", "event": "webhook.refused", "level": "warning"}'
    line = f"{NOW} WARNING  connectors.webhooks  - {said}"
    assert readable(line) == 'WARNING webhook.refused reason="not signed for this URL"'


def test_the_action_server_s_lines_look_the_same() -> None:
    line = f"{NOW} [warning  ] model.no_answer                model=small seconds=20"
    assert readable(line) == "WARNING model.no_answer model=small seconds=20"
    assert readable(f"{NOW} [info     ] reply.written       outcome=answered") == (
        "reply.written outcome=answered"
    )


def test_a_trace_keeps_its_lines() -> None:
    said = r'{"trace": "Traceback:\n  File x\nOSError: no", "event": "turn.failed"}'
    found = readable(f"{NOW} ERROR    connectors.turn  - {said}")
    assert found == "ERROR turn.failed trace=Traceback:\n  File x\nOSError: no"


@pytest.mark.parametrize(
    "line",
    [
        f"{NOW} INFO     rasa.core.processor  - Loading model models/a.tar.gz...",
        f"{NOW} INFO     rasa_sdk.executor  - Registered function for 'action_hand_over'.",
        f"{NOW} INFO     root  - Rasa server is up and running.",
        "8154:M 23 Nov 2026 16:38:05.570 # WARNING Memory overcommit must be enabled! Without it",
    ],
)
def test_what_nobody_can_use_is_not_shown(line: str) -> None:
    assert readable(line) is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"{NOW} ERROR    rasa.core.agent  - No model.", "ERROR rasa.core.agent: No model."),
        (f"{NOW} INFO     shop.orders  - [1, 2]", "shop.orders: [1, 2]"),
        ("phone page: http://127.0.0.1:8010/", "phone page: http://127.0.0.1:8010/"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("", ""),
    ],
)
def test_everything_else_is(line: str, shown: str) -> None:
    assert readable(line) == shown


def test_lines_that_come_together_are_shown_one_by_one() -> None:
    output = io.StringIO()
    printer = Lines(output)
    came = (
        f"{NOW} INFO     rasa.core  - Loading.\n{NOW} [info     ] reply.written  tokens=2\nlast\n"
    )
    now = datetime.datetime(2026, 11, 23, 16, 39, 38)
    printer.write(Message("line", came.encode(), now, "actions", None))
    printer.write(Message("line", f"{NOW} INFO     root  - Up.\n", now, "rasa", None))
    assert output.getvalue().splitlines() == [
        "16:39:38 actions | reply.written tokens=2",
        "16:39:38 actions | last",
    ]
