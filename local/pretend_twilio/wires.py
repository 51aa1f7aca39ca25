"""The connections of whoever calls us: to cut one, or to leave it without an answer.

ASGI has no word for "close this connection and say nothing", and uvicorn answers 500 when an
application returns without an answer. So the server's protocol class gets the two methods that
every asyncio protocol has, to know each connection's transport by its peer, which ASGI calls
`client`. `abort()` closes the socket at once; then the application waits for `http.disconnect`,
after which uvicorn expects no answer.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

Peer = tuple[str, int]


class Wires:
    """The open connections. The server must use `protocol`, and must not rewrite `client`."""

    def __init__(self) -> None:
        self.open: dict[Peer, asyncio.Transport] = {}
        self.silent: set[Peer] = set()
        self.protocol = known_to(self)

    def cut(self, peer: Peer) -> None:
        if transport := self.open.get(peer):  # else the caller has hung up already
            transport.abort()

    def hang_up(self) -> None:
        """Lets go of those who would wait for ever, so that the process can end."""
        for peer in self.silent:
            self.cut(peer)


def known_to(wires: Wires) -> type[asyncio.Protocol]:
    """uvicorn's protocol, whose connections the wires know."""

    class Known(asyncio.Protocol):
        peer: Peer

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            host, port, *_ = transport.get_extra_info("peername")
            self.peer = (host, port)
            wires.open[self.peer] = transport  # type: ignore[assignment]  # TCP: it can abort
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            wires.open.pop(self.peer, None)
            super().connection_lost(error)

    return type("KnownHTTPProtocol", (Known, AutoHTTPProtocol), {})


class NoAnswer(Response):
    """In place of an answer: the connection is cut, or left silent until the caller gives up."""

    def __init__(self, wires: Wires, cut: bool) -> None:
        super().__init__()
        self.wires = wires
        self.cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, port = scope["client"]
        peer = (host, port)
        if self.cut:
            self.wires.cut(peer)
        self.wires.silent.add(peer)
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.wires.silent.discard(peer)
