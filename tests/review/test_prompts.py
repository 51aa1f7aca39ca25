"""What a model was sent: byte for byte in the session log and on the page, and gone with them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from html import unescape
from typing import Any

import pytest
from structlog.testing import capture_logs

from actions.assistants import turn_at
from actions.llm_reply import Reply, ReplyWriter
from actions.prompt_log import WHOLE_EVERY, PromptLog
from connectors.assistant import Assistant
from connectors.session_log import MODEL_CALL, OPENED, SUMMARY
from connectors.settings import Settings
from connectors.store import Store
from review import prompts, tables
from review.access import Role
from review.errors import NotThere
from review.operations import PREFIX
from tests.fakes.model import Calls, Fails, FakeModel, Says
from tests.review.office import Office
from tests.review.reading import reader_of
from tests.review.said import Customer, events
from tests.review.waiting import until_said

pytestmark = pytest.mark.integration

ASSISTANT = Assistant(
    id="shop",
    name="Shop",
    prompt='You are a shop.\nIt is {time}.\nSay "hi" & <b>smile</b> \U0001f600.',
    tools=("opening_hours",),
    history_tokens=400,
)
SECRET = "my secret is 4711"


@dataclass
class Talk:
    """A customer whose texts really go to a model."""

    customer: Customer
    writer: ReplyWriter
    log: PromptLog
    said: list[dict[str, Any]] = field(default_factory=list)

    async def texts(self, text: str, session: str | None = None) -> Reply:
        sid = await self.customer.texts(text)
        self.said.append({"event": "user", "text": text})
        here = self.customer.session if session is None else session
        reply = await self.writer.reply_to(
            self.said,
            turn_at(datetime.now(timezone.utc), ASSISTANT, {}, text),
            prompts=self.log.of(self.customer.conversation, here),
        )
        self.said.append({"event": "bot", "text": reply.text})
        await self.customer.is_told(
            reply.text, sid, events=events(text, reply.text, **reply.metadata)
        )
        return reply


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def second() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def talk(store: Store, model: FakeModel, second: FakeModel) -> AsyncIterator[Talk]:
    customer = Customer(store)
    await customer.opens()
    given = {"LLM_BASE_URL": model.base_url, "LLM_MODEL": "first"}
    given |= {"LLM_FALLBACK_BASE_URL": second.base_url, "LLM_FALLBACK_MODEL": "second"}
    writer = ReplyWriter(Settings.load(given))
    yield Talk(customer, writer, PromptLog(store))
    await writer.close()


def bodies_of(reply: Reply, office: Office, session: str) -> list[bytes]:
    """What the session log says that an answer's models were sent, in order."""
    found = []
    with office.database.reading() as connection:
        for attempt in reply.metadata["attempts"]:
            for entry in attempt["prompts"]:
                milliseconds, counter = entry.split("-")
                number = (int(milliseconds) << 20) + int(counter)
                found.append(prompts.prompt(connection, session, str(number)).body.encode())
    return found


async def test_the_page_shows_what_the_model_was_sent_byte_for_byte(
    talk: Talk, model: FakeModel, office: Office
) -> None:
    model.script = [Calls.one("opening_hours"), Says("From nine.")]
    await talk.texts(SECRET)
    await until_said(office.database, 2)
    session = talk.customer.session
    reader = reader_of(office, Role.VIEWER)
    page = await reader.page(f"/sessions/{session}")
    links = re.findall(r'data-loads="([^"]+)"', page)
    assert len(links) == len(model.bodies) == 2
    for link, sent in zip(links, model.bodies, strict=True):
        part = await reader.part(link)
        shown = re.findall(r'<pre class="prompt" data-body>(.*?)</pre>', part, re.DOTALL)
        assert unescape(shown[0]).encode() == sent
        assert (await reader.get(f"{link}/prompt.json")).content == sent
        assert "<b>smile</b>" not in part
        assert "<h1>" in await reader.page(link)
    assert "What the tool said" in part
    assert "temperature" in part or "max_tokens" in part
    assert "Tools offered: opening_hours" in part
    await reader.client.aclose()


async def test_every_round_and_the_second_models_try_are_on_record(
    talk: Talk, model: FakeModel, second: FakeModel, office: Office
) -> None:
    model.script = [Calls.one("opening_hours"), Fails(400, "no")]
    second.answers("From nine.")
    reply = await talk.texts("When?")
    await until_said(office.database, 2)
    sent = bodies_of(reply, office, talk.customer.session)
    assert sent == [*model.bodies, *second.bodies]
    assert [json.loads(body)["model"] for body in sent] == ["first", "first", "second"]
    rungs = [each["rung"] for each in reply.metadata["attempts"]]
    assert rungs == ["model", "model", "fallback"]


async def test_what_a_newer_model_wants_called_otherwise_is_another_prompt(
    talk: Talk, model: FakeModel, office: Office
) -> None:
    model.script = [Fails(400, "unsupported_parameter", "max_tokens"), Says("OK.")]
    reply = await talk.texts("When?")
    await until_said(office.database, 2)
    sent = bodies_of(reply, office, talk.customer.session)
    assert sent == model.bodies
    assert "max_completion_tokens" in json.loads(sent[1])


async def test_a_long_session_is_kept_in_little_and_comes_back_whole(
    talk: Talk, model: FakeModel, office: Office
) -> None:
    model.answers("Answer {n}, and then some more words about it.")
    turns = 2 * WHOLE_EVERY + 3
    replies = [await talk.texts(f"Question {n}?") for n in range(turns)]
    await until_said(office.database, 2 * turns)
    session = talk.customer.session
    sent = [body for reply in replies for body in bodies_of(reply, office, session)]
    assert sent == model.bodies
    with office.database.reading() as connection:
        every = prompts.of_session(connection, n_of(office, session))
    assert [each.body.encode() for each in every] == model.bodies
    kept = [len(row["data"]) for row in records(office)]
    assert sum(kept) < sum(map(len, model.bodies)) / 3
    # Another process does not know what this one wrote: it begins with a whole one.
    talk.log = PromptLog(talk.customer.store)
    reply = await talk.texts("Still there?")
    await until_said(office.database, 2 * turns + 2)
    assert bodies_of(reply, office, session) == model.bodies[-1:]


async def test_the_api_and_the_export_have_it_and_another_session_does_not(
    talk: Talk, model: FakeModel, office: Office, store: Store
) -> None:
    model.answers("From nine.")
    await talk.texts("When?")
    other = Customer(store, "+15550107777", "c" * 32)
    await other.opens()
    await other.talks("hello", "Hi!")
    await until_said(office.database, 4)
    viewer, session = office.program(Role.VIEWER), talk.customer.session
    flow = viewer.get(f"{PREFIX}/sessions/{session}").json()["flow"]
    [prompt] = flow[-1]["turn"]["model"][0]["attempts"][0]["prompts"]
    told = viewer.get(f"{PREFIX}/sessions/{session}/prompts/{prompt}").json()
    assert told["body"].encode() == model.bodies[0]
    assert told["request"] == model.requests[0]
    assert viewer.get(f"{PREFIX}/sessions/{other.session}/prompts/{prompt}").status_code == 404
    assert viewer.get(f"{PREFIX}/sessions/{session}/prompts/77").status_code == 404
    admin = office.somebody(Role.ADMINISTRATOR)
    whole = admin.get(f"/sessions/{session}/session.json").json()
    assert [each["body"].encode() for each in whole["prompts"]] == model.bodies
    exported = admin.post(f"/sessions/{session}/customer/export").json()
    [mine] = exported["sessions"]
    assert [each["body"].encode() for each in mine["prompts"]] == model.bodies


async def test_a_prompt_goes_with_its_customer_and_never_brings_them_back(
    talk: Talk, model: FakeModel, office: Office
) -> None:
    model.answers("From nine.")
    await talk.texts(SECRET)
    await until_said(office.database, 2)
    admin = office.somebody(Role.ADMINISTRATOR)
    session = talk.customer.session
    emptied: list[str] = []

    async def empty(sid: str) -> None:
        emptied.append(sid)

    office.server.review_app.state.redactor.redact = empty  # the pretend Twilio is not here
    deleted = admin.post(f"/sessions/{session}/customer/delete", data={"sure": "delete"})
    assert deleted.status_code == 303, deleted.text
    assert len(emptied) == 1
    assert records(office) == []
    # A model was asked at that very moment: its prompt comes late.
    await talk.customer.record(MODEL_CALL, {"rung": "model", "like": "", "body": [SECRET]})
    ben = Customer(talk.customer.store, "+15550107777", "c" * 32)
    await ben.opens()
    await ben.talks("hello", "Hi!")
    await until_said(office.database, 2)
    assert records(office) == []
    assert session not in admin.get("/").text


async def test_in_rasa_shell_the_first_prompt_comes_before_its_session(
    talk: Talk, model: FakeModel, office: Office, store: Store
) -> None:
    model.answers("Hi.")
    shell = Customer(store, "", "d" * 32)
    talk.customer, talk.said = shell, []
    reply = await talk.writer.reply_to(
        [{"event": "user", "text": "hello"}],
        turn_at(datetime.now(timezone.utc), ASSISTANT, {}, "hello"),
        prompts=talk.log.of(shell.conversation, ""),
    )
    await shell.record(OPENED, {"business": "", "customer": ""})
    await shell.is_told("Hi.", events=events("hello", "Hi.", **reply.metadata))
    await until_said(office.database, 1)
    assert bodies_of(reply, office, shell.session) == model.bodies
    assert [row["n"] for row in records(office)] == [n_of(office, shell.session)]


async def test_a_call_whose_answer_was_not_used_stands_in_the_flow(
    talk: Talk, model: FakeModel, office: Office
) -> None:
    await talk.customer.record(
        MODEL_CALL, {"rung": "model", "address": "", "like": "", "body": ["{}"]}
    )
    await talk.customer.talks("hello", "Hi!")
    await until_said(office.database, 2)
    page = office.somebody(Role.VIEWER).get(f"/sessions/{talk.customer.session}").text
    assert "A model was asked, and its answer was not used" in page


async def test_a_summary_opens_to_its_prompt(talk: Talk, office: Office) -> None:
    customer = talk.customer
    call = {"rung": "model", "address": "", "like": "", "body": ['{"messages":[]}']}
    kept = talk.log.log.write
    entry = await kept(
        MODEL_CALL, call, conversation=customer.conversation, session=customer.session
    )
    attempts = [{"rung": "model", "model": "m", "outcome": "answered", "ms": 9, "prompts": [entry]}]
    await customer.record(SUMMARY, {"text": "Ada asked.", "lines": 2, "attempts": attempts})
    await customer.talks("hello", "Hi!")
    await until_said(office.database, 2)
    page = office.somebody(Role.VIEWER).get(f"/sessions/{customer.session}").text
    assert "What was said before was summed up for the model" in page
    assert page.count("data-loads=") == 1
    assert "its answer was not used" not in page


async def test_without_redis_the_customer_is_answered_and_no_log_has_the_words(
    talk: Talk, model: FakeModel
) -> None:
    model.answers("From nine.")
    await talk.texts("hello")
    talk.log = PromptLog(Store.connect("redis://127.0.0.1:1"))
    with capture_logs() as logs:
        reply = await talk.texts(SECRET)
    assert reply.text == "From nine."
    assert "prompts" not in reply.metadata["attempts"][0]
    assert [line["event"] for line in logs].count("prompt.not_kept") == 1
    assert SECRET not in str(logs)


async def test_a_prompt_of_which_a_part_is_lost_says_so(
    talk: Talk, model: FakeModel, office: Office, store: Store
) -> None:
    model.answers("OK.")
    await talk.texts("one")
    await until_said(office.database, 2)
    reply = await talk.texts("two")
    await until_said(office.database, 4)
    with office.database.writing() as connection:
        oldest = min(row["id"] for row in records(office))
        connection.execute(tables.records.delete().where(tables.records.c.id == oldest))
    with pytest.raises(NotThere, match="Redis lost it"):
        bodies_of(reply, office, talk.customer.session)


def records(office: Office) -> list[Any]:
    with office.database.reading() as connection:
        query = tables.records.select().where(tables.records.c.kind == MODEL_CALL)
        return list(connection.execute(query.order_by(tables.records.c.id)).mappings())


def n_of(office: Office, session: str) -> int:
    with office.database.reading() as connection:
        query = tables.sessions.select().where(tables.sessions.c.id == session)
        return int(connection.execute(query).mappings().one()["n"])
