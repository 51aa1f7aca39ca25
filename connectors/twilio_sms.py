"""The door: Rasa's input channel for SMS through Twilio.

credentials.yml: `connectors.twilio_sms.TwilioSmsInput: {}`. Every setting, and every secret, comes
from the environment or `.env`; see .env.example.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn

import async_timeout
import structlog
from rasa.core.agent import Agent
from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.core.tracker_store import FailSafeTrackerStore
from rasa.shared.exceptions import RasaException
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, empty, json

from connectors import keys, rasa_patches, rasa_speed
from connectors.assistants import LiveAssistants, attached
from connectors.consent import CODE_21610
from connectors.consent_history import last_words
from connectors.errors import NotAllowed, SettingsError, StoreUnavailable, Unreadable
from connectors.follow_up import FollowUps, current_follow_up
from connectors.gate import TURN_IS_OVER
from connectors.gatekeeper import Gatekeeper
from connectors.handover import HandOver
from connectors.house_rules import HouseRules
from connectors.ids import mask
from connectors.inbox import Inbox
from connectors.lanes import Worker
from connectors.ledger import Ledger
from connectors.outbox import Outbox
from connectors.pace import Pace
from connectors.part import Part
from connectors.reconcile import Reconciler
from connectors.reply import SmsReply
from connectors.routes_guard import guard_routes
from connectors.sanic_guard import refuse_bad_lengths
from connectors.sender import Lateness, Sender
from connectors.session_life import SessionLife
from connectors.session_store import SessionStore
from connectors.settings import Settings, is_loopback
from connectors.standings import Standings
from connectors.store import Store
from connectors.turn import CHANNEL, LONGEST_WAIT_SECONDS, Turn, TurnRunner, style
from connectors.twilio_account import TwilioAccount
from connectors.twilio_api import TwilioApi
from connectors.twilio_client import CALLS_AT_ONCE
from connectors.wire import (
    MAX_BODY_BYTES,
    Form,
    InboundText,
    StatusReport,
    is_signed,
    read_inbound,
    read_status,
)

log = structlog.get_logger(__name__)

# Twilio itself takes no longer for all of a request.
BODY_SECONDS = 15.0


class TwilioSmsInput(InputChannel):
    """`twilio_sms`: texts in by webhook, kept in Redis, answered by REST."""

    @classmethod
    def name(cls) -> str:
        return CHANNEL

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> TwilioSmsInput:
        """Raises RasaException, which Rasa's command line prints as one message."""
        if credentials:
            raise RasaException(
                "credentials.yml: connectors.twilio_sms.TwilioSmsInput takes no options; "
                "secrets belong in the environment or .env (see .env.example)"
            )
        try:
            settings = Settings.load()
            channel = cls(settings, LiveAssistants(settings.assistants_folder))
        except SettingsError as error:
            raise RasaException(str(error)) from None
        rasa_patches.listen(settings.rasa_port, sys.argv)
        return channel

    def __init__(self, settings: Settings, assistants: LiveAssistants) -> None:
        self.settings = settings
        self.assistants = assistants

    def get_output_channel(self) -> SmsReply:
        """The channel of a follow-up that the gate has let in; for anybody else, a refusal.

        Nobody is texted who did not text first.
        """
        from rasa.server import ErrorResponse

        if follow_up := current_follow_up.get():
            return follow_up.reply
        raise ErrorResponse(
            403,
            "OnlyCustomersOpenConversations",
            f"{CHANNEL} answers texts and never sends one first. To test the assistant without "
            "a text, use output_channel=rest or `rasa shell`.",
        )

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The routes, and the workers. Rasa's callback stays unused: texts come by the inbox."""
        desk = Desk(self.settings, self.assistants)
        blueprint = routes(desk)
        blueprint.listener("after_server_start")(desk.start)
        blueprint.listener("before_server_stop")(desk.stop)
        return blueprint


def routes(desk: Desk) -> Blueprint:
    """The door by itself: it takes texts in, and nobody answers them."""
    blueprint = Blueprint(CHANNEL)
    refuse_bad_lengths(blueprint)

    # Functions, because Sanic writes attributes on streamed handlers and methods have none.
    @blueprint.get("/")
    async def health(request: Request) -> HTTPResponse:
        return await desk.health()

    @blueprint.post("/webhook", stream=True)
    async def webhook(request: Request) -> HTTPResponse:
        return await desk.text(request)

    @blueprint.post("/status", stream=True)
    async def status(request: Request) -> HTTPResponse:
        return await desk.status(request)

    blueprint.listener("before_server_start")(desk.open)
    return blueprint


class Desk:
    """What stands behind the door in one Rasa process: handlers, workers, their clients."""

    def __init__(self, settings: Settings, assistants: LiveAssistants) -> None:
        self.settings = settings
        self.assistants = assistants
        self.workers: list[Worker] = []
        self.looking: list[asyncio.Task[None]] = []

    async def open(self, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        """Make the clients, in the loop that will use them. Nothing is connected yet."""
        self.store = Store.connect(self.settings.redis_url)
        self.inbox = Inbox(
            self.store,
            settle_ms=self.settings.reply_settle_ms,
            session_seconds=self._session_seconds,
            rules=HouseRules(
                lambda number: self.assistants.now.standing_in_for(number).texts,
                lambda: (*self.settings.twilio.numbers, *self.assistants.now.numbers),
                self.settings.limits,
                self.settings.twilio.answers_stop,
            ),
        )
        self.outbox = Outbox(self.store)
        self.twilio = TwilioApi(
            self.settings.twilio, validity_seconds=self.settings.late_reply_seconds
        )
        account = TwilioAccount(self.twilio.client)
        twilio = self.settings.twilio
        self.standings = Standings(
            self.store, account, lambda: self.attached, twilio.strict_10dlc, twilio.public_url
        )
        self.ledger = Ledger(self.store, lambda: last_words(self.settings.session_log_url))
        self.gatekeeper = Gatekeeper(
            self.store, self._unapproved, self.settings.limits.segments_per_day
        )

        follow_ups = FollowUps(
            self.gatekeeper, lambda n: style(self.assistants.now.standing_in_for(n))
        )
        rasa_patches.guard_reminders(follow_ups)
        guard_routes(app, follow_ups)

    def _session_seconds(self, number: str) -> int:
        assistant = self.assistants.now.standing_in_for(number)
        return assistant.session_seconds or self.settings.session_ttl_seconds

    async def start(self, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to answer. Stops the server when it could not answer, or not safely."""
        problem = _unfit(getattr(app.ctx, "agent", None))
        if problem:
            _stop_the_process(problem)
        _fail_closed(app.ctx.agent)
        try:
            await self.store.ping()
        except StoreUnavailable as error:
            log.error(
                "start.redis_unreachable",
                reason=str(error),
                do="start Redis or set REDIS_URL; until then every webhook gets 503",
            )

        async def to_rasa(message: UserMessage) -> None:
            # PUT /model replaces the agent, so it is asked for at every turn.
            await _fail_closed(app.ctx.agent).handle_message(message)

        async def apologise(turn: Turn, reason: str) -> None:
            store = _session_store(app.ctx.agent)
            await store.apologise(turn, turn.assistant.texts.apology, reason)

        async def tell_more(turn: Turn) -> None:
            await _session_store(app.ctx.agent).tell_more(turn)

        async def left_open(conversation: str) -> str | None:
            return await self.store.field(keys.session(conversation), "left_open")

        runner = TurnRunner(
            to_rasa,
            apologise,
            tell_more,
            left_open,
            self.assistants,
            refused=self._kept_channel,
        )
        self.workers = [
            Worker(
                self.inbox.lane,
                runner.handle,
                self.settings.turns_at_once,
                longest_wait=LONGEST_WAIT_SECONDS,
            ),
            Worker(self.outbox.lane, self._sender().handle, CALLS_AT_ONCE),
        ]
        for worker in self.workers:
            worker.start()
        self._warn_of_address()
        reconciler = Reconciler(self.inbox, self.twilio, lambda: self.attached)
        self.looking = [
            asyncio.create_task(reconciler.run(), name="reconciler"),
            asyncio.create_task(self.standings.run(), name="standings"),
            asyncio.create_task(SessionLife(self.store).run(), name="session ends"),
            asyncio.create_task(self.ledger.run(), name="ledger"),
            asyncio.create_task(self._hand_over().run(), name="hand-over"),
        ]
        log.info("sms.ready", numbers=[mask(n) for n in self.attached])

    def _hand_over(self) -> HandOver:
        seconds = self.settings.session_ttl_seconds
        return HandOver(self.store, self.assistants, seconds, self.gatekeeper)

    async def _kept_channel(self, conversation: str) -> None:
        """Somebody kept the channel of a turn that is over, and speaks into it."""
        with suppress(NotAllowed):
            await self.gatekeeper.refuse(conversation, "", TURN_IS_OVER, "channel", "an action")

    def _sender(self) -> Sender:
        settings = self.settings

        def apology(part: Part) -> str | None:
            said = self.assistants.now.standing_in_for(part.business).texts.late
            return said if settings.late_reply == "apologise" else None

        return Sender(
            self.outbox,
            self.twilio,
            self.gatekeeper,
            self.ledger,
            Pace(self.store, settings.segments_per_second),
            Lateness(settings.late_reply_seconds, apology),
        )

    def _warn_of_address(self) -> None:
        twilio = self.settings.twilio
        if is_loopback(twilio.public_url) and not is_loopback(twilio.api_base_url or "https://x"):
            log.warning(
                "start.public_url_is_not_public",
                public_url=twilio.public_url,
                do="set PUBLIC_URL to what Twilio was told, or every webhook gets 403",
            )

    async def stop(self, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        """Give back what is in hand; the next process to look finds it."""
        for task in self.looking:
            task.cancel()
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        self.twilio.close()
        await rasa_speed.close()
        await self.store.close()

    async def health(self) -> HTTPResponse:
        """200 when a text would be accepted now, else 503."""
        try:
            whole, refused = await self.ledger.is_whole(), await self.gatekeeper.refused_today()
        except StoreUnavailable as error:
            log.error("health.redis_unreachable", reason=str(error))
            return json({"status": "unavailable", "redis": "unavailable"}, 503)
        numbers = [self._health_of(number) for number in self.attached]
        answering = bool(self.workers)
        return json(
            {
                "status": "ok",
                "redis": "ok",
                "answering": answering,
                "numbers": numbers,
                "opt_outs_known": whole,
                "refused_today": refused,
            }
        )

    def _unapproved(self, number: str) -> str:
        standing = self.standings.why_not(number)
        return str(standing) if standing else ""

    def _health_of(self, number: str) -> dict[str, object]:
        standing = self.standings.of(number)
        return {
            "number": mask(number),
            "ten_dlc": standing.verdict.value,
            "reason": standing.reason,
            "answers": self.standings.why_not(number) is None,
        }

    async def text(self, request: Request) -> HTTPResponse:
        """A customer's text: 204 once it is kept."""
        form = await self._signed_form(request)
        if isinstance(form, HTTPResponse):
            return form
        try:
            text = read_inbound(form, self.settings.twilio.account_sid)
            event = await self._take(text)
        except Unreadable as error:
            return _unreadable(error)
        except StoreUnavailable as error:
            return _unavailable(error)
        log.info(event, sid=text.sid, customer=mask(text.customer), media=text.media)
        return empty(204)

    async def _take(self, text: InboundText) -> str:
        """What became of the text, as the log calls it."""
        if text.business in self.attached:
            return "sms.accepted" if await self.inbox.accept(text) else "sms.seen_before"
        if text.business not in self.settings.twilio.numbers:
            raise Unreadable(
                f"To is {mask(text.business)}, which neither TWILIO_NUMBERS nor an assistant lists"
            )
        if not await self.inbox.note(text):
            return "sms.seen_before"
        log.warning(
            "number.unattached",
            number=mask(text.business),
            do="list it in an assistant's file, or make one assistant the default",
        )
        return "sms.not_answered"

    @property
    def attached(self) -> tuple[str, ...]:
        """The numbers at which somebody answers, by now."""
        return attached(self.settings.twilio.numbers, self.assistants.now)

    async def status(self, request: Request) -> HTTPResponse:
        """A delivery report: 204 once it is noted, also for the tenth time."""
        form = await self._signed_form(request)
        if isinstance(form, HTTPResponse):
            return form
        try:
            report = read_status(form, request.args.get("part", ""))
            # Before the report is no news any more, in case that one of the two fails.
            await self.standings.noticed(report.business, report.error_code)
            await self._learn_opt_out(report)
            news = await self.outbox.report(report)
        except Unreadable as error:
            return _unreadable(error)
        except StoreUnavailable as error:
            return _unavailable(error)
        if news:
            log.info(
                "sms.status", sid=report.sid, status=report.status, error_code=report.error_code
            )
        return empty(204)

    async def _learn_opt_out(self, report: StatusReport) -> None:
        """Twilio tells of its own list at once, or, with a Messaging Service, in a report."""
        ours = report.business in self.attached
        if report.error_code == CODE_21610 and ours and report.customer:
            await self.ledger.opt_out(report.business, report.customer, CODE_21610)

    async def _signed_form(self, request: Request) -> Form | HTTPResponse:
        """The form, or the answer to somebody who is not Twilio."""
        try:
            async with async_timeout.timeout(BODY_SECONDS):
                raw = await _read_body(request)
        except asyncio.TimeoutError:
            log.warning("webhook.refused", reason=f"no whole body in {BODY_SECONDS} s")
            return empty(408)
        if raw is None:
            log.warning("webhook.refused", reason=f"more than {MAX_BODY_BYTES} bytes")
            return empty(413)
        form = Form.parse(raw)
        twilio = self.settings.twilio
        url = twilio.public_url + request.path
        if request.query_string:
            url += f"?{request.query_string}"
        if not is_signed(twilio.auth_tokens, url, form, request.headers.get("x-twilio-signature")):
            # The form may be anybody's: nothing of it is logged. The URL is what we expected.
            log.warning("webhook.refused", reason="not signed for this URL", url=url.split("?")[0])
            return empty(403)
        return form


async def _read_body(request: Request) -> bytes | None:
    """The raw body, or None if it is too long; then no more of it than that is held."""
    body = bytearray()
    assert request.stream is not None  # the routes are streamed ones
    while chunk := await request.stream.read():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _unreadable(error: Unreadable) -> HTTPResponse:
    log.warning("webhook.unusable", reason=str(error))
    return json({"error": str(error)}, 400)


def _unavailable(error: StoreUnavailable) -> HTTPResponse:
    log.error("webhook.not_stored", reason=str(error), answered=503)
    return json({"error": "cannot be stored now, please send it again"}, 503)


def _unfit(agent: Agent | None) -> str | None:
    """Why this agent must not answer customers, or None."""
    if agent is None or not agent.is_ready():
        return "There is no trained model. Run `rasa train` first."
    store = agent.tracker_store
    inner = store._tracker_store if isinstance(store, FailSafeTrackerStore) else store
    if not isinstance(inner, SessionStore):
        # Rasa falls back to memory without a word when it cannot import a class.
        return (
            "endpoints.yml must name `connectors.session_store.SessionStore` as the type of its "
            f"tracker_store; Rasa is using {type(inner).__name__} instead."
        )
    return None


def _stop_the_process(problem: str) -> NoReturn:
    log.critical("start.refused", reason=problem)
    print(f"Not started: {problem}", file=sys.stderr, flush=True)
    # An exception would end in forty lines of Sanic's, and an exit in a worker would not end it.
    os._exit(1)


def _fail_closed(agent: Agent) -> Agent:
    """Take Rasa's fail-safe wrapper off: it answers from memory when Redis fails, and hides it."""
    store = agent.tracker_store
    if isinstance(store, FailSafeTrackerStore):
        agent.tracker_store = agent.processor.tracker_store = store._tracker_store
    return agent


def _session_store(agent: Agent) -> SessionStore:
    store = _fail_closed(agent).tracker_store
    assert isinstance(store, SessionStore)
    return store
