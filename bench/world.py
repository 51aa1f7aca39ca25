"""The world around a side: customers who text, the model that it asks, the Twilio that it sends by.

Model and Twilio are one lean server; it posts the same three signed delivery reports for a message
as the pretend Twilio. All of it runs in one thread with its own event loop, in the process that
measures, and does as little as it can: what it uses of the processor, the sides have not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import aiohttp
import uvicorn
import uvloop
from twilio.request_validator import RequestValidator

ACCOUNT = "AC" + "0" * 31 + "9"
TOKEN = "a-token-for-the-bench"  # noqa: S105 (nobody's)
BUSINESS = "+15550100001"
ANSWER = "All right, that makes {n}. Your bicycle will be ready on Thursday at four o'clock."
MODEL = "/v1"
FORM = "application/x-www-form-urlencoded"
LONGEST_WAIT_SECONDS = 60.0
# In a long conversation: what follows an answer (reports, for one) is over before the next text.
PAUSE_SECONDS = 0.03

_T = TypeVar("_T")


@dataclass
class Times:
    """What customers saw of one run; seconds, and clock times of time.perf_counter()."""

    began: float = 0.0
    ended: float = 0.0
    acknowledged: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    lost: int = 0

    def per_second(self, settle: float = 1.0) -> float:
        """Answers a second, without the first second, in which everybody texts at once."""
        began = self.began + settle
        count = sum(began <= at <= self.ended for at in self.answered_at)
        return count / (self.ended - began)


class World:
    """`with World() as world:`, then `world.run(world.load(...))`."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._sids = itertools.count(1)
        self._answers = itertools.count(1)
        self._customers = itertools.count(1)
        self._validator = RequestValidator(TOKEN)
        self._reporting: set[asyncio.Task[None]] = set()
        self.webhook = ""
        self.model_takes = 0.0  # seconds for an answer
        self.last_asked = b""  # of the model: the body of the request
        self.twilio_takes = 0.0  # seconds for a message; the real one has a network in between

    def __enter__(self) -> World:
        self._thread.start()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the world's own loop, and wait for it."""
        under_way = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return under_way.result()
        except BaseException:  # Ctrl-C, most likely
            under_way.cancel()
            raise

    async def _open(self) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=LONGEST_WAIT_SECONDS),
        )
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.twilio_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.model_url = f"{self.twilio_url}{MODEL}"
        config = uvicorn.Config(
            self._server_side,
            interface="asgi3",
            log_level="error",
            lifespan="off",
            ws="none",
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[listener]))
        while not self._server.started:  # noqa: ASYNC110 (uvicorn tells nobody)
            await asyncio.sleep(0.01)

    async def _close(self) -> None:
        await self.session.close()
        self._server.should_exit = True
        await self._serving

    # --- the model and Twilio ---

    async def _server_side(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"].startswith(MODEL):
            self.last_asked = body
            await asyncio.sleep(self.model_takes)
            await _respond(send, 200, self._complete())
        elif scope["method"] == "POST":
            await asyncio.sleep(self.twilio_takes)
            await _respond(send, 201, self._take(dict(parse_qsl(body.decode()))))
        else:  # whatever is asked for, there is none
            page: dict[str, Any] = {"messages": [], "next_page_uri": None, "page_size": 50}
            await _respond(send, 200, page)

    def _complete(self) -> dict[str, Any]:
        said = {"role": "assistant", "content": ANSWER.format(n=next(self._answers))}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "a-stand-in",
            "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19},
        }

    def _take(self, form: dict[str, str]) -> dict[str, Any]:
        sid = f"SM{next(self._sids):032x}"
        waiting = self._waiting.get(form["To"])
        if waiting and not waiting.done():
            waiting.set_result(None)
        if "StatusCallback" in form:
            task = asyncio.ensure_future(self._report(sid, form))
            self._reporting.add(task)
            task.add_done_callback(self._reporting.discard)
        named = {"to": form["To"], "from": form["From"], "body": form["Body"]}
        return {**named, "sid": sid, "status": "queued", "account_sid": ACCOUNT}

    async def _report(self, sid: str, message: dict[str, str]) -> None:
        for status in ("sending", "sent", "delivered"):
            form = {
                "MessageSid": sid,
                "MessageStatus": status,
                "AccountSid": ACCOUNT,
                "To": message["To"],
                "From": message["From"],
            }
            await self._post(message["StatusCallback"], form)

    # --- customers ---

    async def _post(self, url: str, form: dict[str, str]) -> int:
        signature = self._validator.compute_signature(url, form)
        headers = {"X-Twilio-Signature": signature, "Content-Type": FORM}
        async with self.session.post(url, data=urlencode(form).encode(), headers=headers) as answer:
            return answer.status

    async def load(self, customers: int, seconds: float) -> Times:
        """So many customers, each texting again as soon as there is an answer."""
        times = Times(began=time.perf_counter())
        times.ended = times.began + seconds
        await asyncio.gather(*(self._texts_until(times.ended, times) for _ in range(customers)))
        return times

    async def conversation(
        self, turns: int, seconds: float, after_each: Callable[[Times], None]
    ) -> None:
        """One customer's conversation, cut short after so many seconds."""
        customer, times = self._number(), Times(began=time.perf_counter())
        times.ended = times.began + seconds
        for _ in range(turns):
            if time.perf_counter() > times.ended:
                break
            await self._turn(customer, times)
            await asyncio.sleep(PAUSE_SECONDS)
            after_each(times)

    async def _texts_until(self, end: float, times: Times) -> None:
        customer = self._number()
        while time.perf_counter() < end:
            await self._turn(customer, times)

    async def _turn(self, customer: str, times: Times) -> None:
        """One text and its answer. Over when both the answer and the acknowledgement are there."""
        answered = self._waiting[customer] = self._loop.create_future()
        sent = time.perf_counter()
        acknowledging = asyncio.ensure_future(self._text(customer, sent, times))
        await asyncio.wait({answered}, timeout=LONGEST_WAIT_SECONDS)
        now = time.perf_counter()
        if answered.done():
            times.answered.append(now - sent)
            times.answered_at.append(now)
        else:
            times.lost += 1
        await acknowledging

    async def _text(self, customer: str, sent: float, times: Times) -> None:
        form = {
            "MessageSid": f"SM{next(self._sids):032x}",
            "AccountSid": ACCOUNT,
            "From": customer,
            "To": BUSINESS,
            "Body": f"This is text {next(self._sids)}: when will my bicycle be ready, please?",
            "NumMedia": "0",
            "NumSegments": "1",
        }
        try:
            status = await self._post(self.webhook, form)
        except (aiohttp.ClientError, asyncio.TimeoutError):
            status = 0
        if status in (200, 204):
            times.acknowledged.append(time.perf_counter() - sent)
        else:
            times.lost += 1

    def _number(self) -> str:
        return f"+1555{next(self._customers):07d}"


async def _respond(send: Any, status: int, body: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
