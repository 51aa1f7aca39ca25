"""The webhook routes on a real Sanic server, without the workers that answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sanic import Sanic

from connectors.assistants import LiveAssistants
from connectors.service import Service
from connectors.settings import Settings
from connectors.twilio_sms import routes
from local.ports import free_port


@asynccontextmanager
async def serving_door(settings: Settings, port: int | None = None) -> AsyncIterator[int]:
    """Yields the port that it listens on."""
    Sanic.test_mode = True
    port = port or free_port()
    app = Sanic(f"door-{port}", configure_logging=False)
    service = Service(settings, LiveAssistants(settings.assistants_folder))
    app.blueprint(routes(service), url_prefix="/webhooks/twilio_sms")
    server: Any = await app.create_server(
        port=port, host="127.0.0.1", return_asyncio_server=True, access_log=False
    )
    await server.startup()
    await server.before_start()
    await server.start_serving()
    yield port
    server.close()
    await server.wait_closed()
    # What `stop` would do, if it had been started.
    await service.twilio.close()
    await service.store.close()
