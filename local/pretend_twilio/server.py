"""Serves the application on loopback, and lets go of whoever waits when it has to end."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from connectors.settings import LOOPBACK


class PhoneServer(uvicorn.Server):
    """uvicorn waits for open responses before it ends, and some never end by themselves."""

    def __init__(
        self, app: Starlette, port: int, on_start: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=LOOPBACK,
                port=port,
                access_log=False,  # its lines would carry phone numbers
                log_level="warning",
                http=app.state.wires.protocol,
                proxy_headers=False,  # a caller is known by its own address
                ws="none",  # Rasa pins a websockets that uvicorn cannot import
                timeout_graceful_shutdown=1,  # for texts that the business is slow to answer
            )
        )
        self.phone_app = app
        self.on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.phone_app.state.store.hang_up()
        self.phone_app.state.wires.hang_up()
        await super().shutdown(sockets)
