"""Puts the rooms together: one application, one memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from local.pretend_twilio import errors
from local.pretend_twilio.accounts import Accounts
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.guard import Loopback
from local.pretend_twilio.lifecycle import Lifecycle
from local.pretend_twilio.messages import Messages
from local.pretend_twilio.optouts import OptOuts
from local.pretend_twilio.phone import Phone
from local.pretend_twilio.store import Store
from local.pretend_twilio.webhooks import Courier


def create_app(config: PretendConfig) -> Starlette:
    """A pretend Twilio with an empty memory. `app.state.store` is that memory."""
    store, optouts, courier = Store(), OptOuts(), Courier(config)
    lifecycle = Lifecycle(config, store, courier)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await courier.close()

    app = Starlette(
        routes=[
            *Accounts(config).routes(),
            *Messages(config, store, optouts, lifecycle).routes(),
            *Phone(config, store, optouts, courier, lifecycle).routes(),
        ],
        middleware=[Middleware(Loopback)],
        exception_handlers={
            errors.Refusal: errors.on_refusal,
            404: errors.on_not_found,
            405: errors.on_wrong_method,
            Exception: errors.on_crash,
        },
        lifespan=lifespan,
    )
    app.state.store = store
    return app
