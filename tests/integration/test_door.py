"""The webhook routes on a real Sanic server and a real Valkey, asked over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import async_timeout
import httpx
import pytest
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from connectors import keys
from connectors.session_log import REFUSED
from connectors.settings import Settings
from connectors.store import Store
from connectors.wire import HEALTH_PATH, STATUS_PATH, WEBHOOK_PATH
from tests.door import serving_door
from tests.log import log_of
from tests.valkey import Valkey

pytestmark = pytest.mark.integration

PUBLIC = "https://sms.example.com"
TEXT = {
    "MessageSid": "SM" + "1" * 32,
    "AccountSid": "AC" + "a" * 32,
    "From": "+15550109999",
    "To": "+15550100001",
    "Body": "a secret of Ada's",
    "FromCity": "",
    "NumMedia": "0",
}
LIMIT_SECONDS = 1.0


class Door:
    """Knocks as Twilio does, or as somebody who is not Twilio."""

    def __init__(self, port: int, store: Store) -> None:
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        self.store = store

    async def post(
        self,
        form: dict[str, str] | bytes,
        path: str = WEBHOOK_PATH,
        signature: str | None = None,
        token: str = "token",
    ) -> httpx.Response:
        raw = form if isinstance(form, bytes) else urlencode(form).encode()
        if signature is None:
            fields = form if isinstance(form, dict) else {}
            signature = RequestValidator(token).compute_signature(PUBLIC + path, fields)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if signature:
            headers["X-Twilio-Signature"] = signature
        return await self.http.post(path, content=raw, headers=headers)

    async def kept(self) -> list[str]:
        """Every key in Redis but the one that conversation ids are made with, and the server's."""
        found = await self.store.client.keys("*")
        return sorted(key for key in found if key not in (keys.ID_KEY, keys.SERVER))


@asynccontextmanager
async def opened(redis_url: str, assistants: str = "") -> AsyncIterator[Door]:
    settings = Settings.load(
        {
            "TWILIO_ACCOUNT_SID": TEXT["AccountSid"],
            "TWILIO_AUTH_TOKEN": "token,older-token",
            "TWILIO_NUMBERS": TEXT["To"],
            "PUBLIC_URL": PUBLIC,
            "REDIS_URL": redis_url,
            "ASSISTANTS_FOLDER": assistants,
        }
    )
    async with serving_door(settings) as port:
        store = Store.connect(redis_url)
        door = Door(port, store)
        yield door
        await door.http.aclose()
        await store.close()


@pytest.fixture
async def door(store: Store, valkey_url: str) -> AsyncIterator[Door]:
    async with opened(valkey_url) as door:
        yield door


async def test_a_signed_text_is_kept_before_it_is_acknowledged(door: Door) -> None:
    answer = await door.post(TEXT)
    assert (answer.status_code, answer.content) == (204, b"")
    [inbox] = [key for key in await door.kept() if key.startswith("sms:inbox:of:")]
    [item] = await door.store.client.lrange(inbox, 0, -1)
    assert TEXT["Body"] in item


async def test_a_redelivered_text_is_acknowledged_and_changes_nothing(door: Door) -> None:
    await door.post(TEXT)
    before = await door.kept()
    assert (await door.post(TEXT)).status_code == 204
    assert await door.kept() == before
    [inbox] = [key for key in before if key.startswith("sms:inbox:of:")]
    assert await door.store.client.llen(inbox) == 1


async def test_no_key_in_redis_tells_a_number(door: Door) -> None:
    await door.post(TEXT)
    assert not any("5550" in key for key in await door.kept())


async def test_the_older_token_counts_while_tokens_are_rotated(door: Door) -> None:
    assert (await door.post(TEXT, token="older-token")).status_code == 204


@pytest.mark.parametrize("signature", ["", "L/OH5YylLD5NRKLltdqwSvS0BnU=", "ü", "x" * 5000])
async def test_a_stranger_is_refused_and_leaves_nothing(door: Door, signature: str) -> None:
    with capture_logs() as logs:
        answer = await door.http.post(
            WEBHOOK_PATH,
            content=urlencode(TEXT),
            headers=[(b"X-Twilio-Signature", signature.encode())] if signature else [],
        )
    assert answer.status_code == 403
    assert await door.kept() == []
    assert len(logs) == 1
    assert not any(said in str(logs) for said in (TEXT["Body"], "5550109999", "L/OH5"))


async def test_a_signature_for_another_address_does_not_count(door: Door) -> None:
    signature = RequestValidator("token").compute_signature(PUBLIC + STATUS_PATH, TEXT)
    assert (await door.post(TEXT, signature=signature)).status_code == 403
    # Whatever Host the request names, only PUBLIC_URL counts.
    answer = await door.http.post(
        WEBHOOK_PATH, content=urlencode(TEXT), headers={"Host": "evil.example"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["From", "To", "MessageSid"])
async def test_a_signed_text_that_lacks_something_is_a_400(door: Door, name: str) -> None:
    answer = await door.post({k: v for k, v in TEXT.items() if k != name})
    assert answer.status_code == 400
    assert name in answer.json()["error"]
    assert await door.kept() == []


async def test_a_number_that_is_not_ours_is_a_400(door: Door) -> None:
    assert (await door.post({**TEXT, "To": "+15550107777"})).status_code == 400
    assert await door.kept() == []


async def test_a_number_that_nobody_answers_is_acknowledged_and_logged(
    store: Store, valkey_url: str, tmp_path: Path
) -> None:
    """And an assistant's own number is ours without TWILIO_NUMBERS, as soon as its file says so."""
    other, file = "+15550107777", tmp_path / "other.yml"
    shop = "name: Shop\nprompt: Hi.\n"
    (tmp_path / "shop.yml").write_text(shop)
    file.write_text(f"{shop}numbers: ['{other}']\n")
    async with opened(valkey_url, str(tmp_path)) as door:
        with capture_logs() as logs:
            assert (await door.post(TEXT)).status_code == 204
            assert (await door.post(TEXT)).status_code == 204
        events = [line["event"] for line in logs]
        assert events == ["sms.not_answered", "sms.refused", "sms.seen_before"]
        [refused] = [r for r in await log_of(store) if r["kind"] == REFUSED]
        assert refused["data"]["reason"] == "unattached"
        assert refused["data"]["text"]["body"] == TEXT["Body"]
        assert not [key for key in await door.kept() if key.startswith("sms:inbox")]
        text = {**TEXT, "To": other, "MessageSid": "SM" + "5" * 32}
        assert (await door.post(text)).status_code == 204
        assert [key for key in await door.kept() if key.startswith("sms:inbox:of:")]


@pytest.mark.parametrize(("to", "answered"), [(TEXT["To"], 204), ("+15550106666", 400)])
async def test_stop_counts_where_nobody_answers(
    store: Store, valkey_url: str, tmp_path: Path, to: str, answered: int
) -> None:
    """The number lost its assistant, or its place in the settings, in the middle of a session."""
    for name in ("shop", "other"):
        (tmp_path / f"{name}.yml").write_text("name: Shop\nprompt: Hi.\n")
    ben = f"{TEXT['From'][:-1]}8"
    async with opened(valkey_url, str(tmp_path)) as door:
        hello = {**TEXT, "To": to, "From": ben, "MessageSid": "SM" + "2" * 32}
        stop = {**TEXT, "To": to, "Body": "Stop!"}
        assert [(await door.post(form)).status_code for form in (hello, stop)] == [answered] * 2
        [consent] = [r["data"] for r in await log_of(store) if r["kind"] == "consent"]
        assert (consent["business"], consent["customer"]) == (to, TEXT["From"])
        assert not [key for key in await door.kept() if key.startswith(("session", "sms:inbox"))]


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00garbage",
        b"Body=%ff%fe&From=%2B1",
        b"&".join(b"f%d=" % n for n in range(1000)),
        b"From=%2B15550109999&From=%2B15550109998",
        b"=&=&=",
        b"",
        b"{}",
    ],
)
@pytest.mark.parametrize("path", [WEBHOOK_PATH, STATUS_PATH])
async def test_rubbish_is_refused_cleanly(door: Door, raw: bytes, path: str) -> None:
    assert (await door.post(raw, path)).status_code in (400, 403)
    assert await door.kept() == []


async def test_a_thousand_signed_fields_are_a_400(door: Door) -> None:
    fields = {**TEXT, **{f"f{n}": "" for n in range(1000)}}
    assert (await door.post(fields)).status_code == 400


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_64_kib_is_a_413(door: Door, chunked: bool) -> None:
    async def in_chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1024

    content = in_chunks() if chunked else b"x" * (64 * 1024 + 1)
    assert (await door.http.post(WEBHOOK_PATH, content=content)).status_code == 413
    assert (await door.post(TEXT)).status_code == 204


@pytest.mark.parametrize("length", [b"-5", b"+5", b"abc", b"5\r\nContent-Length: 7", b""])
@pytest.mark.parametrize("line", [b"GET /", f"POST {WEBHOOK_PATH}".encode()])
async def test_a_length_that_is_none_is_refused_and_stops_nothing(
    door: Door, line: bytes, length: bytes
) -> None:
    """Sanic itself waits for a negative length for ever, and answers nobody meanwhile."""
    url = door.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n\r\nabcde")
    async with async_timeout.timeout(5):
        assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    assert (await door.post(TEXT)).status_code == 204


async def test_a_body_that_trickles_is_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.webhooks.BODY_SECONDS", 0.3)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x"
            await asyncio.sleep(0.05)

    assert (await door.http.post(WEBHOOK_PATH, content=trickle())).status_code == 408


async def test_64_kib_are_not_too_much(door: Door) -> None:
    padding = {"Extra": ""}
    padding["Extra"] = "x" * (64 * 1024 - len(urlencode({**TEXT, **padding})))
    assert (await door.post({**TEXT, **padding})).status_code == 204


async def test_a_delivery_report_is_noted_and_never_moves_back(door: Door) -> None:
    sid, path = "SM" + "2" * 32, STATUS_PATH + "?part=c.01ARYZ6S41"
    for status in ("sent", "delivered", "sending", "delivered", "queued"):
        report = {"MessageSid": sid, "MessageStatus": status, "AccountSid": TEXT["AccountSid"]}
        assert (await door.post(report, path)).status_code == 204
    assert await door.store.client.hget(keys.message(sid), "status") == "delivered"
    assert await door.store.client.get(keys.part_sid("c.01ARYZ6S41")) == sid
    records = await log_of(door.store)
    assert [record["data"]["status"] for record in records] == ["sent", "delivered"]
    assert {record["data"]["part"] for record in records} == {"c.01ARYZ6S41"}


async def test_a_report_for_another_part_is_not_signed(door: Door) -> None:
    report = {"MessageSid": "SM" + "2" * 32, "MessageStatus": "sent"}
    signature = RequestValidator("token").compute_signature(
        PUBLIC + STATUS_PATH + "?part=a", report
    )
    answer = await door.post(report, STATUS_PATH + "?part=b", signature=signature)
    assert answer.status_code == 403


async def test_a_report_that_the_number_is_not_registered_is_seen_in_its_health(
    door: Door,
) -> None:
    report = {"MessageSid": "SM" + "6" * 32, "MessageStatus": "undelivered", "From": TEXT["To"]}
    before = (await door.http.get(HEALTH_PATH)).json()["numbers"]
    assert (await door.post({**report, "ErrorCode": "30034"}, STATUS_PATH)).status_code == 204
    after = (await door.http.get(HEALTH_PATH)).json()["numbers"]
    assert [(n["ten_dlc"], n["reason"], n["answers"]) for n in (*before, *after)] == [
        ("unknown", "never_looked", True),
        ("refused", "number_unregistered", False),
    ]
    assert TEXT["To"] not in str(after)


async def test_health_says_ok(door: Door) -> None:
    answer = await door.http.get(HEALTH_PATH)
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_only_posts_are_webhooks(door: Door) -> None:
    assert (await door.http.get(WEBHOOK_PATH)).status_code == 405


async def test_without_redis_nothing_is_acknowledged_and_nothing_hangs(valkey: Valkey) -> None:
    async with opened(valkey.url) as door:
        assert (await door.post(TEXT)).status_code == 204
        for fail, mend in ((valkey.stop, valkey.start), (valkey.freeze, valkey.thaw)):
            fail()
            took = []
            for _ in range(3):
                began = time.monotonic()
                assert (await door.post({**TEXT, "MessageSid": "SM" + "3" * 32})).status_code == 503
                assert (await door.http.get(HEALTH_PATH)).status_code == 503
                took.append(time.monotonic() - began)
            assert min(took) < 2 * LIMIT_SECONDS  # the others may have waited for the machine
            mend()
            assert (await door.post(TEXT)).status_code == 204
            assert (await door.http.get(HEALTH_PATH)).status_code == 200
        [inbox] = [key for key in await door.kept() if key.startswith("sms:inbox:of:")]
        bodies = await door.store.client.lrange(inbox, 0, -1)
        assert len([b for b in bodies if "SM" + "1" * 32 in b]) == 1
