"""Each part once and in order, whatever Twilio does and wherever a process dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import async_timeout
import httpx
import pytest
from structlog.testing import capture_logs

from connectors import keys
from connectors.errors import SendUnavailable
from connectors.forget import forget
from connectors.store import Store
from connectors.wire import StatusReport
from tests.integration.sender.post import (
    CONVERSATION,
    SESSION,
    TWILIO_IS_LATE,
    Post,
    Troubled,
    logged,
    part,
    said,
    until,
    working,
)
from tests.log import log_of
from tests.pretend_business import CUSTOMER

pytestmark = pytest.mark.integration


async def test_a_part_is_sent_once_and_its_sid_kept(post: Post) -> None:
    sent = part("Yes, we do.")
    await post.leave(sent)
    await post.all_settled()
    assert post.received() == ["Yes, we do."]
    [sid] = await post.outbox.store.client.keys(keys.message("*"))
    assert await post.outbox.store.client.hgetall(sid) == {
        "part": sent.id,
        "status": "queued",
        "rank": "1",
    }
    [record] = await log_of(post.outbox.store)
    assert record["kind"] == "part.sent"
    assert record["session"] == SESSION
    assert record["data"]["part"] == sent.id
    assert keys.message(record["data"]["sid"]) == sid


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        (["429", "429"], 3),
        (["500"], 2),
        (["500", "500"], 3),
        (["500 after"], 1),
        (["hang after"], 1),
        (["rubbish after"], 1),
        (["429", "500", "500 after"], 3),
    ],
)
async def test_no_trouble_loses_or_doubles_a_part(
    post: Post, script: list[str], requests: int
) -> None:
    post.twilio.script.extend(script)
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]
    assert post.twilio.asked == requests


async def test_whose_customer_is_deleted_while_twilio_is_asked_becomes_known(
    store: Store, twilio: tuple[Troubled, str]
) -> None:
    """Or nobody could empty the message at Twilio."""
    async with working(Post(store, *twilio, timeout=20)) as post:
        post.twilio.script.append("when told")
        sent = part("Yes, we do.")
        await post.leave(sent)
        assert await asyncio.to_thread(post.twilio.is_asked.wait, 20)
        await forget(store, CONVERSATION)
        post.twilio.go_on.set()
        async with async_timeout.timeout(20):
            while not (records := [r for r in await log_of(store) if r["kind"] == "part.status"]):
                await asyncio.sleep(0.02)
    [message] = post.twilio.state.store.of_customer(CUSTOMER)
    assert [(r["data"]["part"], r["data"]["sid"]) for r in records] == [(sent.id, message.sid)]


async def test_what_twilio_takes_long_after_we_gave_up_is_not_sent_again(post: Post) -> None:
    async with httpx.AsyncClient(base_url=post.twilio_url, trust_env=False) as http:
        late = {"messages": [{"latency_ms": int(TWILIO_IS_LATE * 1000)}]}
        (await http.post("/chaos/script", json=late)).raise_for_status()
    await post.leave(part("Yes, we do."))
    await until(lambda: any(m.trouble for m in post.twilio.state.store.of_customer(CUSTOMER)))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_message_that_twilio_made_twice_is_named(post: Post) -> None:
    """It took the first request after all, when nobody could know any more."""
    sent = part("Yes, we do.")
    await post.leave(sent)
    await post.all_settled()
    with capture_logs() as logs:
        for status in ("sent", "delivered"):
            assert await post.outbox.report(StatusReport("SM" + "9" * 32, status, "", sent.id))
    # The line about the first sending may come a moment after what it tells of.
    events = [line["event"] for line in logs]
    assert [event for event in events if event != "sms.sent"] == ["sms.doubled"]


async def test_retry_after_is_honoured(post: Post) -> None:
    post.twilio.script.append("429")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert loop.time() - began >= 1.0


async def test_a_later_429_does_not_make_an_earlier_doubt_forgotten(post: Post) -> None:
    """Twilio took it, answered 500, did not list it in time, and then had no time for us."""
    doubtful = replace(part("Yes, we do."), asked_ms=part("").created_ms - 5_000)
    post.twilio.script.append("429")
    await post.leave(doubtful)
    async with async_timeout.timeout(5):
        while not post.twilio.asked:
            await asyncio.sleep(0.01)
    await post.outbox.report(StatusReport("SM" + "9" * 32, "sent", "", doubtful.id))
    await post.all_settled()
    assert post.twilio.asked == 1
    assert post.received() == []


async def test_a_request_that_leaves_too_late_is_not_made(post: Post) -> None:
    """The process stood still after its note: somebody else may have sent the part meanwhile."""
    stale = replace(part("Yes, we do."), asked_ms=part("").created_ms - 4_000)
    with pytest.raises(SendUnavailable):
        await post.api.send(stale)
    assert post.twilio.asked == 0


async def test_refused_credentials_lose_nothing(post: Post) -> None:
    post.twilio.script.append("401")
    with capture_logs() as logs:
        await post.leave(part("Yes, we do."))
        await logged(logs, "sms.later")
    [later] = [line for line in logs if line["event"] == "sms.later"]
    assert later["in_seconds"] == 60.0
    assert await post.outbox.store.client.llen(post.outbox.lane.items(CONVERSATION)) == 1


async def test_what_twilio_never_takes_is_dropped_and_named(post: Post) -> None:
    with capture_logs() as logs:
        await post.leave(replace(part("hello"), customer="+15005550004"))
        await logged(logs, "sms.dropped")
    [dropped] = [line for line in logs if line["event"] == "sms.dropped"]
    assert dropped["code"] == 21610
    consent, record = await log_of(post.outbox.store)
    assert (consent["kind"], record["kind"]) == ("consent", "part.dropped")
    assert record["data"]["code"] == 21610
    assert record["data"]["reason"]
    assert "+15005550004" not in str(logs)


async def test_the_same_words_twice_are_two_parts(post: Post) -> None:
    """The second "OK" must not be taken for the first when its outcome is looked up."""
    first, second = part("OK"), part("OK")
    await post.leave(first)
    await post.all_settled()
    await said(post, first, "sent")
    post.twilio.script.append("500")
    await post.leave(second)
    await post.all_settled()
    assert post.received() == ["OK", "OK"]


async def test_a_crash_before_the_request_left_sends_it(post: Post) -> None:
    marked = part("Yes, we do.")
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_request_that_may_still_be_under_way_is_waited_for(post: Post) -> None:
    """Its process was stopped in the middle; the request goes on without it."""
    marked = part("Yes, we do.")
    await post.leave(replace(marked, asked_ms=marked.created_ms, over_ms=marked.created_ms + 900))
    await asyncio.sleep(0.5)
    assert post.twilio.asked == 0
    await post.api.send(replace(marked, asked_ms=marked.created_ms))  # there it comes
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_body_that_twilio_changed_is_recognised(post: Post) -> None:
    """Trial accounts get a sentence put before everything they send."""
    marked = part("Yes,  we do.")
    changed = replace(marked, body="Sent from a trial account - Yes, we do.")
    await post.api.send(replace(changed, asked_ms=marked.created_ms))
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert len(post.received()) == 1


async def test_what_stands_between_us_and_twilio_may_say_no_for_a_moment(post: Post) -> None:
    post.twilio.script.append("410 of a proxy")
    await post.leave(part("Yes, we do."))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_crash_after_twilio_took_it_does_not_send_it_again(post: Post) -> None:
    marked = part("Yes, we do.")
    marked = replace(marked, asked_ms=marked.created_ms)
    await post.api.send(marked)
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.received() == ["Yes, we do."]


async def test_a_report_tells_the_sid_of_a_part_whose_request_failed(post: Post) -> None:
    marked = part("Yes, we do.")
    await post.outbox.report(StatusReport("SM" + "9" * 32, "sent", "", marked.id))
    await post.leave(replace(marked, asked_ms=marked.created_ms))
    await post.all_settled()
    assert post.twilio.asked == 0
    assert await post.outbox.part_of("SM" + "9" * 32) == marked.id


async def test_the_next_part_waits_until_the_one_before_is_on_its_way(post: Post) -> None:
    one, two, three = part("one"), part("two"), part("three")
    await post.leave(one, two, three)
    await said(post, one, "sending")
    await asyncio.sleep(0.3)  # nothing must happen, and for that there is no event
    assert post.received() == ["one"]
    await said(post, one, "sent")
    await said(post, two, "sending")
    await asyncio.sleep(0.3)
    assert post.received() == ["one", "two"]
    await said(post, two, "delivered")
    await post.all_settled()
    assert post.received() == ["one", "two", "three"]
