"""Puts the rooms together: one application, one memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware

from local.pretend_twilio import errors
from local.pretend_twilio.accounts import Accounts
from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.control import Control
from local.pretend_twilio.crowd import Crowd
from local.pretend_twilio.guard import Loopback
from local.pretend_twilio.inbound import Inbound
from local.pretend_twilio.lifecycle import Lifecycle
from local.pretend_twilio.media import MediaResource
from local.pretend_twilio.messages import Messages
from local.pretend_twilio.numbers import Numbers
from local.pretend_twilio.optouts import OptOuts
from local.pretend_twilio.papers import Papers
from local.pretend_twilio.phone import Phone
from local.pretend_twilio.registry import Registry
from local.pretend_twilio.rounds import Rounds
from local.pretend_twilio.store import Store
from local.pretend_twilio.webhooks import Courier
from local.pretend_twilio.wires import Wires


def create_app(config: PretendConfig) -> Starlette:
    """A pretend Twilio with an empty memory, which is `app.state.store`, for a PhoneServer."""
    store, optouts, chaos, papers = Store(), OptOuts(), Chaos(), Papers(config)
    courier, wires = Courier(config), Wires()
    rounds = Rounds(config, store, courier)
    lifecycle = Lifecycle(config, store, courier, rounds, chaos, papers)
    inbound = Inbound(config, store, optouts, lifecycle, rounds, chaos, papers)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await courier.close()

    app = Starlette(
        routes=[
            *Accounts(config).routes(),
            *Numbers(config, papers).routes(),
            *Registry(config, papers).routes(),
            *Messages(config, store, optouts, lifecycle, chaos, wires).routes(),
            *MediaResource(config, store).routes(),
            *Phone(config, store, inbound).routes(),
            *Control(chaos, store, Crowd(config, store, inbound)).routes(),
        ],
        middleware=[Middleware(Loopback)],
        exception_handlers={
            errors.Refusal: errors.on_refusal,
            errors.Unusable: errors.on_unusable,
            404: errors.on_not_found,
            405: errors.on_wrong_method,
            Exception: errors.on_crash,
        },
        lifespan=lifespan,
    )
    app.state.store, app.state.wires = store, wires
    return app
