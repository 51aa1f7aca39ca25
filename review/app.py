"""Puts the rooms together: one application on one session log."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from connectors.assistants import LiveAssistants
from connectors.database_identity import database_id
from connectors.errors import (
    AnotherInstallation,
    HeldByAnother,
    NotAllowed,
    NotHeld,
    SessionOver,
    StoreUnavailable,
)
from connectors.installation import Installation
from connectors.settings import ROOT, Settings
from connectors.store import Store
from connectors.watchdog import Watchdog, keep_going
from review import (
    api,
    audit_pages,
    desk_pages,
    door,
    export_pages,
    letters_pages,
    list_pages,
    live,
    numbers_pages,
    people_pages,
    privacy_pages,
    prompt_pages,
    refused_pages,
    session_pages,
    settings_pages,
    tags_pages,
)
from review.accounts import ADMINISTRATOR, Accounts
from review.database import Database
from review.desk import Desk
from review.erasing import Eraser
from review.errors import BadFilter, DatabaseUnavailable, NotThere, Unusable
from review.lengths import Lengths
from review.messenger import Messenger
from review.outside import Outside
from review.paper import OwnHeaders
from review.prices import Prices
from review.projection import Projection
from review.redaction import Redact, Redactor
from review.retention import Retention
from review.signins import SignIns
from review.taker import Taker
from review.tokens import Tokens

log = structlog.get_logger(__name__)

WAIT_SECONDS = 1.0


def create_app(
    settings: Settings, database: Database, store: Store, project: Path = ROOT
) -> Starlette:
    """The app; while it runs it takes the stream into the database.

    `project` is where sessions are saved as tests.
    """
    prices, assistants = Prices.load(), LiveAssistants(settings.assistants_folder)
    installation = Installation(store, lambda: database_id(settings.session_log_url))
    taker = Taker(store, database, Projection(prices), installation.not_ours)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.ending = asyncio.Event()
        working = [
            keep_going("session_log_upkeep", lambda: _work(app)),
            keep_going("desk_news", lambda: desk_pages.watch(app)),
        ]
        try:
            yield
        finally:
            for each in working:
                await _end(each)
            await store.close()
            database.close()

    app = Starlette(
        routes=[
            *door.routes(),
            *live.routes(),
            *api.routes(),
            *list_pages.routes(),
            *session_pages.routes(),
            *prompt_pages.routes(),
            *desk_pages.routes(),
            *export_pages.routes(),
            *numbers_pages.routes(),
            *audit_pages.routes(),
            *tags_pages.routes(),
            *letters_pages.routes(),
            *refused_pages.routes(),
            *people_pages.routes(),
            *privacy_pages.routes(),
            *settings_pages.routes(),
        ],
        middleware=[Middleware(OwnHeaders)],
        exception_handlers={
            HTTPException: _refusal,
            Unusable: _unusable,
            NotThere: _not_there,
            **dict.fromkeys((SessionOver, HeldByAnother, NotHeld, NotAllowed), _conflict),
            BadFilter: _bad_filter,
            DatabaseUnavailable: _unavailable,
            StoreUnavailable: _unavailable,
            Exception: _crash,
        },
        lifespan=lifespan,
    )
    app.state.settings, app.state.database, app.state.store = settings, database, store
    app.state.accounts, app.state.taker, app.state.prices = Accounts(database), taker, prices
    app.state.installation = installation
    app.state.tokens, app.state.signins = Tokens(database), SignIns(database)
    app.state.redactor = Redactor(database, _redact(settings))
    app.state.eraser = Eraser(
        store, database, taker, app.state.redactor, settings.twilio.numbers, project
    )
    app.state.outside = Outside(private=settings.webhooks_to_private_hosts)
    app.state.project, app.state.desk = project, Desk.open(settings, store, database, assistants)
    app.state.lengths = lambda: Lengths.of_assistants(assistants.now, settings.session_ttl_seconds)
    return app


def _redact(settings: Settings) -> Redact:
    """twilio's client takes a second to import, and is needed once in a month."""

    async def redact(sid: str) -> None:
        from connectors.twilio_api import TwilioApi

        twilio = TwilioApi(settings.twilio)
        try:
            await twilio.redact(sid)
        finally:
            await twilio.close()

    return redact


async def _end(working: Watchdog) -> None:
    """Asked again and again: what waits for an answer may take being cancelled for a timeout."""
    while tasks := working.tasks:
        working.cancel()
        await asyncio.wait(tasks, timeout=0.2)


async def _work(app: Starlette) -> None:
    """Everything that goes on beside the pages, once the database has its tables."""
    state = app.state
    await _open(state.settings, state.database)
    with suppress(StoreUnavailable, AnotherInstallation):  # it goes on trying, and says so
        await state.installation.hold()
    working = [
        keep_going("installation", state.installation.run),
        keep_going("session_log", state.taker.run),
        keep_going("webhooks", Messenger(state.database, state.outside).run),
        keep_going("retention", Retention(state.database).run),
        keep_going("redactions", state.redactor.run),
    ]
    try:
        await asyncio.Event().wait()
    finally:
        for each in working:
            await _end(each)


async def _open(settings: Settings, database: Database) -> None:
    """Migrate, and see that somebody can sign in. A database that is away is waited for."""
    said = ""
    while True:
        try:
            await asyncio.to_thread(database.migrate)
            accounts = Accounts(database)
            password = await asyncio.to_thread(
                accounts.first_administrator, settings.review_admin_password
            )
            break
        except DatabaseUnavailable as error:
            if str(error) != said:
                log.warning("session_log.waits", reason=str(error), then="tries again")
            said = str(error)
            await asyncio.sleep(WAIT_SECONDS)
    if password:
        print(f"review app: sign in as {ADMINISTRATOR} with {password} (shown once)", flush=True)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _said(request, error.status_code, error.detail, dict(error.headers or {}))


async def _unusable(request: Request, error: Exception) -> Response:
    return _said(request, 422, str(error))


async def _not_there(request: Request, error: Exception) -> Response:
    return _said(request, 404, str(error))


async def _conflict(request: Request, error: Exception) -> Response:
    return _said(request, 409, str(error))


async def _bad_filter(request: Request, error: Exception) -> Response:
    return _said(request, 400, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    return _said(request, 503, f"{error}. Nothing is lost; try again in a moment.")


async def _crash(request: Request, error: Exception) -> Response:
    # Formatted here: the structured log would print local variables, and thus conversations.
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    log.error("review.failed", path=request.url.path, trace=trace)
    return _said(request, 500, "That is a mistake of ours; the log has it.")


def _said(
    request: Request, status: int, words: str, headers: dict[str, str] | None = None
) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": words}, status, headers)
    return PlainTextResponse(words, status, headers)
