"""Serves the app on loopback, and lets go of pages that wait for news when it has to end."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette

from connectors.settings import LOOPBACK


class ReviewServer(uvicorn.Server):
    """uvicorn waits for open responses before it ends, and live pages never end by themselves."""

    def __init__(self, app: Starlette, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=LOOPBACK,
                port=port,
                access_log=False,
                log_level="warning",
                server_header=False,
                ws="none",  # Rasa pins a websockets that uvicorn cannot import
                timeout_graceful_shutdown=2,
            )
        )
        self.review_app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.review_app.state.ending.set()
        await super().shutdown(sockets)
