"""The floor: the least that somebody would write by hand. `uvicorn bench.floor:app`.

It acknowledges at once and answers from memory: what it was told when it dies, nobody answers.
No deduplication, no order, no retries, no opt-outs, no log.
"""

from __future__ import annotations

import asyncio
import json
import os

import httpx
import redis.asyncio as redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from bench import MESSAGES_SHOWN

ACCOUNT, TOKEN = os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"]
SESSION_SECONDS = 86_400

validator = RequestValidator(TOKEN)
store: redis.Redis[str] = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
model = httpx.AsyncClient(base_url=os.environ["LLM_BASE_URL"], timeout=60)
twilio = httpx.AsyncClient(
    base_url=f"{os.environ['TWILIO_API_BASE_URL']}/2010-04-01/Accounts/{ACCOUNT}",
    auth=(ACCOUNT, TOKEN),
    timeout=60,
)
answering: set[asyncio.Task[None]] = set()


async def webhook(request: Request) -> Response:
    form = {name: str(value) for name, value in (await request.form()).items()}
    url = os.environ["PUBLIC_URL"] + request.url.path
    if not validator.validate(url, form, request.headers.get("x-twilio-signature", "")):
        return Response(status_code=403)
    task = asyncio.create_task(answer(form["From"], form["To"], form["Body"]))
    answering.add(task)
    task.add_done_callback(answering.discard)
    return Response(status_code=204)


async def answer(customer: str, business: str, body: str) -> None:
    key = f"chat:{customer}"
    said = [json.loads(line) for line in await store.lrange(key, 1 - MESSAGES_SHOWN, -1)]
    text = {"role": "user", "content": body}
    asked = await model.post("/chat/completions", json={"model": "m", "messages": [*said, text]})
    reply = asked.json()["choices"][0]["message"]
    await twilio.post(
        "/Messages.json", data={"To": customer, "From": business, "Body": reply["content"]}
    )
    async with store.pipeline() as pipe:
        pipe.rpush(key, json.dumps(text), json.dumps(reply))
        pipe.expire(key, SESSION_SECONDS)
        await pipe.execute()


async def health(request: Request) -> Response:
    return Response()


app = Starlette(
    routes=[
        Route("/webhook", webhook, methods=["POST"]),
        Route("/health", health),
    ]
)
