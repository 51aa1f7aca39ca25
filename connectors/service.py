"""The service: what one Rasa process holds behind its door, from the store to the workers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import structlog
from rasa.core.channels.channel import UserMessage
from sanic import Sanic

from connectors import rasa_patches, rasa_speed
from connectors.assistants import LiveAssistants, attached
from connectors.consent_history import ConsentHistory
from connectors.consent_writer import ConsentWriter
from connectors.database_identity import database_id
from connectors.errors import AnotherInstallation, NotAllowed, SessionOver, StoreUnavailable
from connectors.failover import FailoverGuard, ServerChanges
from connectors.follow_up import FollowUps
from connectors.garbage import spare_what_is_loaded
from connectors.gate import TURN_IS_OVER
from connectors.gatekeeper import Gatekeeper
from connectors.handover import HandOver
from connectors.house_rules import HouseRules
from connectors.ids import mask
from connectors.inbox import Inbox
from connectors.installation import Installation
from connectors.lanes import Claim
from connectors.ledger import Ledger
from connectors.log_limit import LogLimit
from connectors.outbox import Outbox
from connectors.pace import Pace
from connectors.part import Part
from connectors.probe import Prober
from connectors.rasa_agent import fail_closed, session_store, why_unfit
from connectors.reconcile import Reconciler
from connectors.routes_guard import guard_routes
from connectors.sender import Lateness, Sender
from connectors.session_life import SessionLife
from connectors.settings import Settings, is_loopback
from connectors.standings import Standings
from connectors.store import Store
from connectors.turn import LONGEST_WAIT_SECONDS, Turn, TurnRunner, style
from connectors.twilio_account import TwilioAccount
from connectors.twilio_api import SentMessage, TwilioApi
from connectors.twilio_client import CALLS_AT_ONCE
from connectors.watchdog import Watchdog, keep_going
from connectors.window import Window
from connectors.worker import Worker

log = structlog.get_logger(__name__)


class Service:
    """Its clients from `open` on, its workers from `start` to `stop`."""

    def __init__(self, settings: Settings, assistants: LiveAssistants) -> None:
        self.settings = settings
        self.assistants = assistants
        self.workers: list[Worker] = []
        self.looking: list[Watchdog] = []

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
        self.prober = Prober(self.store, self.settings.session_log_backlog_mb * 2**20)
        self.twilio = TwilioApi(
            self.settings.twilio, validity_seconds=self.settings.late_reply_seconds
        )
        account = TwilioAccount(self.twilio.client)
        twilio = self.settings.twilio
        self.reconciler = Reconciler(self.inbox, self.twilio, lambda: self.attached)
        self.standings = Standings(
            self.store, account, lambda: self.attached, twilio.strict_10dlc, twilio.public_url
        )
        history = ConsentHistory(self.settings.session_log_url)
        self.ledger = Ledger(self.store, history.last_words, history.words_since)
        self.consent_writer = ConsentWriter(self.store, history.add)
        url = self.settings.session_log_url
        self.installation = Installation(self.store, lambda: database_id(url))
        self.gatekeeper = Gatekeeper(self.store, self._unapproved, self.settings.limits)

        follow_ups = FollowUps(
            self.gatekeeper, lambda n: style(self.assistants.now.standing_in_for(n))
        )
        rasa_patches.guard_reminders(follow_ups)
        guard_routes(app, follow_ups)

    async def join(self, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        """Stop the server if another installation uses this Redis, before any text is taken."""
        try:
            await self.installation.join()
        except AnotherInstallation as error:
            _stop_the_process(str(error))

    def _session_seconds(self, number: str) -> int:
        assistant = self.assistants.now.standing_in_for(number)
        return assistant.session_seconds or self.settings.session_ttl_seconds

    async def start(self, app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to answer. Stops the server when it could not answer, or not safely."""
        problem = why_unfit(getattr(app.ctx, "agent", None))
        if problem:
            _stop_the_process(problem)
        fail_closed(app.ctx.agent)
        try:
            await self.store.ping()
        except StoreUnavailable as error:
            log.error(
                "start.redis_unreachable",
                reason=str(error),
                do="start Redis or set REDIS_URL; until then every webhook gets 503",
            )

        self.workers = self._workers(app)
        for worker in self.workers:
            worker.start()
        self._warn_of_address()
        self.looking = self._lookers()
        spare_what_is_loaded()
        log.info("sms.ready", numbers=[mask(n) for n in self.attached])

    def _workers(self, app: Sanic) -> list[Worker]:
        return [
            Worker(
                self.inbox.lane,
                self._guarded(app).handle,
                self.settings.turns_at_once,
                longest_wait=LONGEST_WAIT_SECONDS,
            ),
            Worker(self.outbox.lane, self._sender().handle, CALLS_AT_ONCE),
        ]

    def _lookers(self) -> list[Watchdog]:
        """What looks at something again and again, until it is cancelled."""
        return [
            keep_going("reconciler", self.reconciler.run),
            keep_going("standings", self.standings.run),
            keep_going("session_ends", SessionLife(self.store).run),
            keep_going("ledger", self.ledger.run),
            keep_going("consent_into_sql", self.consent_writer.run),
            keep_going("log_limit", LogLimit(self.prober).run),
            keep_going("hand_over", self._hand_over().run),
            keep_going("installation", self.installation.run),
        ]

    def _guarded(self, app: Sanic) -> FailoverGuard:
        async def recover(claim: Claim, said: Sequence[SentMessage], why_unsure: str) -> None:
            turn = Turn.of(claim, self.assistants.now)
            with suppress(SessionOver):  # its texts were taken out
                await session_store(app.ctx.agent).recover(turn, said, why_unsure)

        async def release(claim: Claim, delay: float) -> None:
            await self.inbox.lane.release(claim, delay, counts=False)

        return FailoverGuard(
            ServerChanges(self.store),
            self.outbox,
            self.twilio,
            turn=self._runner(app).handle,
            recover=recover,
            reconciled_for=lambda: self.reconciler.done_for_ms,
            release=release,
            settle_ms=self.settings.reply_settle_ms,
        )

    def _runner(self, app: Sanic) -> TurnRunner:
        async def to_rasa(message: UserMessage) -> None:
            # PUT /model replaces the agent, so it is asked for at every turn.
            await fail_closed(app.ctx.agent).handle_message(message)

        async def apologise(turn: Turn, reason: str) -> None:
            store = session_store(app.ctx.agent)
            await store.apologise(turn, turn.assistant.texts.apology, reason)

        async def tell_more(turn: Turn) -> None:
            await session_store(app.ctx.agent).tell_more(turn)

        async def window(conversation: str) -> Window:
            return await session_store(app.ctx.agent).windows.read(conversation)

        return TurnRunner(
            to_rasa,
            apologise,
            tell_more,
            window,
            self.assistants,
            refused=self._kept_channel,
        )

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

    def _hand_over(self) -> HandOver:
        seconds = self.settings.session_ttl_seconds
        return HandOver(self.store, self.assistants, seconds, self.gatekeeper)

    def _unapproved(self, number: str) -> str:
        standing = self.standings.why_not(number)
        return str(standing) if standing else ""

    async def _kept_channel(self, conversation: str) -> None:
        """Somebody kept the channel of a turn that is over, and speaks into it."""
        with suppress(NotAllowed):
            await self.gatekeeper.refuse(conversation, "", TURN_IS_OVER, "channel", "an action")

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
        for watchdog in self.looking:
            watchdog.cancel()
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        await self.twilio.close()
        await rasa_speed.close()
        await self.store.close()

    @property
    def is_answering(self) -> bool:
        """Whether the workers run; a door by itself only takes texts in."""
        return bool(self.workers)

    @property
    def attached(self) -> tuple[str, ...]:
        """The numbers at which somebody answers, by now."""
        return attached(self.settings.twilio.numbers, self.assistants.now)


def _stop_the_process(problem: str) -> NoReturn:
    log.critical("start.refused", reason=problem)
    print(f"Not started: {problem}", file=sys.stderr, flush=True)
    # An exception would end in forty lines of Sanic's, and an exit in a worker would not end it.
    os._exit(1)
