"""The man in the middle itself: each fault is what its name says, and ends when it is switched."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.processes import wait_until
from tests.e2e.tcp_proxy import SLOW_SECONDS, Fault, TcpProxy, tcp_proxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(30)]

SHORT_SECONDS = 0.3


class _Echo(socketserver.ThreadingTCPServer):
    """Says back what it hears, after its own name."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, name: bytes) -> None:
        self.name, self.heard = name, b""
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answer(socketserver.BaseRequestHandler):
    server: _Echo

    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.server.heard += data
            self.request.sendall(self.server.name + data)


@contextmanager
def echoing(name: bytes) -> Iterator[_Echo]:
    with _Echo(name) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def echo() -> Iterator[_Echo]:
    with echoing(b"a:") as server:
        yield server


@pytest.fixture
def proxy(echo: _Echo) -> Iterator[TcpProxy]:
    with tcp_proxy(echo.port) as proxy:
        yield proxy


@pytest.fixture
def caller(proxy: TcpProxy) -> Iterator[socket.socket]:
    """A connection that stands, and has been answered once."""
    with call(proxy) as caller:
        assert ask(caller, b"hello") == b"a:hello"
        yield caller


def call(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def ask(caller: socket.socket, said: bytes) -> bytes:
    caller.sendall(said)
    return caller.recv(4096)


def is_cut(caller: socket.socket) -> bool:
    try:
        return not caller.recv(4096)
    except ConnectionResetError:
        return True


def is_silent(caller: socket.socket) -> bool:
    caller.settimeout(SHORT_SECONDS)
    try:
        caller.recv(4096)
    except TimeoutError:
        return True
    finally:
        caller.settimeout(5)
    return False


def test_a_closed_port_refuses_and_opens_again(proxy: TcpProxy, caller: socket.socket) -> None:
    proxy.switch(Fault.REFUSE)
    assert is_cut(caller)
    with pytest.raises(ConnectionRefusedError):
        call(proxy)
    proxy.switch(Fault.PASS)
    with call(proxy) as later:
        assert ask(later, b"again") == b"a:again"


def test_accept_and_close_cuts_standing_ones_and_hangs_up_on_new_ones(
    proxy: TcpProxy, caller: socket.socket
) -> None:
    proxy.switch(Fault.ACCEPT_AND_CLOSE)
    assert is_cut(caller)
    with call(proxy) as new:
        assert is_cut(new)


def test_what_fell_into_the_black_hole_arrives_afterwards(
    proxy: TcpProxy, caller: socket.socket
) -> None:
    proxy.switch(Fault.ACCEPT_AND_SILENCE)
    caller.sendall(b"held")
    with call(proxy) as new:
        new.sendall(b"new")
        assert is_silent(caller)
        assert is_silent(new)
        proxy.switch(Fault.PASS)
        assert caller.recv(4096) == b"a:held"
        assert is_cut(new)


def test_an_answer_is_cut_in_the_middle(proxy: TcpProxy, caller: socket.socket) -> None:
    proxy.switch(Fault.CUT_IN_ANSWER)
    question, whole = b"x" * 50, b"a:" + b"x" * 50
    said = whole
    while said == whole:
        said = ask(caller, question)
    assert whole.startswith(said)
    assert is_cut(caller)


@pytest.mark.parametrize(
    ("fault", "arrives"), [(Fault.ONE_WAY_REQUESTS, True), (Fault.ONE_WAY_ANSWERS, False)]
)
def test_one_way_carries_nothing_the_other_way_and_ends_with_a_cut(
    proxy: TcpProxy, echo: _Echo, caller: socket.socket, fault: Fault, arrives: bool
) -> None:
    proxy.switch(fault)
    caller.sendall(b"one way")
    assert is_silent(caller)
    assert (b"one way" in echo.heard) is arrives
    proxy.switch(Fault.PASS)
    assert is_cut(caller)


def test_half_closed_is_an_end_for_who_asks_and_none_for_who_answers(
    proxy: TcpProxy, echo: _Echo, caller: socket.socket
) -> None:
    proxy.switch(Fault.HALF_CLOSE)
    assert is_cut(caller)
    caller.sendall(b"still heard")
    wait_until(lambda: b"still heard" in echo.heard, 5, "the request")


def test_slow_is_late_and_whole(proxy: TcpProxy, caller: socket.socket) -> None:
    proxy.switch(Fault.SLOW)
    began, said = time.monotonic(), b""
    caller.sendall(b"y" * 500)
    while said.count(b"y") < 500:
        said += caller.recv(4096)
    assert said.replace(b"a:", b"") == b"y" * 500  # it heard pieces, and answered each
    assert time.monotonic() - began >= 2 * SLOW_SECONDS


def test_standing_connections_stay_where_a_name_led_before(
    proxy: TcpProxy, caller: socket.socket
) -> None:
    with echoing(b"b:") as other:
        proxy.lead(other.port, keep_standing=True)
        assert ask(caller, b"old") == b"a:old"
        with call(proxy) as new:
            assert ask(new, b"new") == b"b:new"
            proxy.lead(other.port)
            assert is_cut(caller)


def test_late_answers_keep_their_order_and_a_cut_loses_them(
    proxy: TcpProxy, caller: socket.socket
) -> None:
    proxy.answers_late_seconds = 2 * SHORT_SECONDS
    caller.sendall(b"late")
    assert is_silent(caller)
    assert caller.recv(4096) == b"a:late"
    caller.sendall(b"lost")
    assert is_silent(caller)
    proxy.cut()
    assert is_cut(caller)
