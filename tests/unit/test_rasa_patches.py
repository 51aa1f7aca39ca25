"""Where Rasa listens, and where it finds its action server."""

from __future__ import annotations

import socket

import pytest

from connectors.rasa_patches import is_taken, is_told, moved
from connectors.sanic_guard import has_good_length


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rasa run", False),
        ("rasa run --enable-api", False),
        ("rasa run -i 0.0.0.0", True),
        ("rasa run -i0.0.0.0", True),
        ("rasa run --interface 0.0.0.0", True),
        ("rasa run --interface=0.0.0.0", True),
    ],
)
def test_a_command_line_that_names_an_interface_is_heard(line: str, told: bool) -> None:
    assert is_told(line.split(), "-i", "--interface") is told


def test_a_port_that_somebody_has_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        assert is_taken("127.0.0.1", port)
        assert is_taken("0.0.0.0", port)
    assert not is_taken("127.0.0.1", port)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:5055/webhook", "http://127.0.0.1:6000/webhook"),
        ("http://localhost:5055/webhook", "http://localhost:6000/webhook"),
        ("http://127.0.0.1:5056/webhook", "http://127.0.0.1:5056/webhook"),
        ("https://actions.example.com:5055/webhook", "https://actions.example.com:5055/webhook"),
    ],
)
def test_only_the_default_action_server_moves(url: str, expected: str) -> None:
    assert moved(url, 6000) == expected


@pytest.mark.parametrize(
    ("lengths", "good"),
    [
        ([], True),
        (["0"], True),
        (["65536"], True),
        ([" 12 "], True),
        (["-5"], False),
        (["+5"], False),
        (["abc"], False),
        ([""], False),
        (["5", "5"], False),
        (["9" * 13], False),
    ],
)
def test_a_request_names_its_length_once_and_as_a_number(lengths: list[str], good: bool) -> None:
    lines = ["POST / HTTP/1.1", "Host: x", *(f"content-LENGTH:{each}" for each in lengths)]
    assert has_good_length("\r\n".join(lines).encode() + b"\r\n") is good
