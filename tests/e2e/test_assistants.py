"""Two assistants on two numbers, with tools, knowledge, a form, a fallback, and a person behind."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from connectors.assistants import LiveAssistants
from connectors.handover import HandedOver, HandOver
from connectors.settings import ROOT
from connectors.store import Store
from tests.e2e.processes import Forked, wait_until
from tests.e2e.rehearsal import Rehearsal, rehearsal, scripted_model
from tests.fakes.model import Calls, Fails, FakeModel, Says
from tests.pretend_business import BUSINESS, SECOND_BUSINESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

T = TypeVar("T")
numbers = itertools.count(15550120000)


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with scripted_model() as model:
        yield model


@pytest.fixture(scope="module")
def second() -> Iterator[FakeModel]:
    with scripted_model() as model:
        yield model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two assistants that ship; the second one has a number."""
    folder = tmp_path_factory.mktemp("business") / "assistants"
    shutil.copytree(ROOT / "assistants", folder)
    rich = folder / "showcase.yml"
    attached = rich.read_text().replace("# numbers: [", f'numbers: ["{SECOND_BUSINESS}"] # [')
    rich.write_text(attached)
    return folder


@pytest.fixture(scope="module")
def business(
    trained: None, model: FakeModel, second: FakeModel, folder: Path
) -> Iterator[Rehearsal]:
    with rehearsal(
        model.base_url,
        folder.parent,
        starter=Forked,
        ASSISTANTS_FOLDER=str(folder),
        LLM_FALLBACK_BASE_URL=second.base_url,
    ) as business:
        yield business


@pytest.fixture
def customer(model: FakeModel, second: FakeModel) -> str:
    for each in (model, second):
        each.script = [Says("OK.")]
        each.requests.clear()
    return f"+{next(numbers)}"


def told(model: FakeModel) -> str:
    return model.last_messages[0]["content"]


def test_each_number_has_its_assistant(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    business.texts("hello", customer)
    business.answers(1, customer)
    assert "Spoke & Wheel" in told(model)
    assert "tools" not in model.requests[-1]
    business.texts("hello", customer, to=SECOND_BUSINESS)
    business.answers(2, customer)
    assert "Harbor Bikes" in told(model)
    said = [m["content"] for m in model.last_messages if m["role"] != "system"]
    assert said == ["hello"]  # two numbers, two conversations


def test_what_it_knows_is_looked_up_and_kept_with_the_answer(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.script = [Calls.one("search_knowledge", query="tandem price"), Says("$24 for two hours.")]
    business.texts("how much is a tandem?", customer, to=SECOND_BUSINESS)
    assert business.answers(1, customer) == ["$24 for two hours."]
    assert "| Tandem | $24 |" in model.tool_results[0]
    store = redis.Redis.from_url(business.valkey.url, decode_responses=True)
    log = " ".join(fields["data"] for _, fields in store.xrange("sms:log")).replace(" ", "")
    assert '"file":"rentals.md"' in log
    assert '"name":"search_knowledge"' in log


def test_a_tool_starts_a_form_and_the_model_goes_on_after_it(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    model.script = [Calls.one("request_callback"), Says("You're welcome.")]
    for text in ("please call me", "my brakes", "after five", "thanks"):
        one_more_answered(business, text, customer, to=SECOND_BUSINESS)
    assert business.answers(4, customer) == [
        "What shall we call you about?",
        "When can we reach you?",
        "Noted: my brakes, after five. We will call this number.",
        "You're welcome.",
    ]


def test_the_second_model_answers_when_the_first_cannot(
    business: Rehearsal, model: FakeModel, second: FakeModel, customer: str
) -> None:
    model.script, second.script = [Fails(401)], [Says("From the second.")]
    business.texts("hello", customer)
    assert business.answers(1, customer) == ["From the second."]


def test_an_edit_counts_from_the_next_text_on_and_a_bad_one_does_not(
    business: Rehearsal, model: FakeModel, customer: str, folder: Path
) -> None:
    file = folder / "default.yml"
    good = file.read_text()

    def log_after_a_text() -> str:
        one_more_answered(business, "hello?", customer)
        return business.actions.text()

    file.write_text(good.replace("name: Spoke & Wheel", "name: Chain & Pedal") + "\nfacts2: x\n")
    try:
        # The files are looked at when somebody texts, once a second at most.
        one_more_answered(business, "hello", customer)
        said = wait_until(lambda: "assistants.not_taken" in log_after_a_text(), 30, "a word")
    finally:
        file.write_text(good)
    assert said
    assert "Spoke & Wheel" in told(model)
    file.write_text(good.replace("We are Spoke & Wheel", "We are Chain & Pedal"))

    def says_so() -> bool:
        one_more_answered(business, "and now?", customer)
        return "Chain & Pedal" in told(model)

    wait_until(says_so, 30, "the change")
    file.write_text(good)


def test_a_person_answers_and_gives_it_back(
    business: Rehearsal, model: FakeModel, customer: str, folder: Path
) -> None:
    model.script = [Calls.one("hand_over", reason="wants a refund"), Says("Glad to help.")]
    business.texts("I want my money back", customer, to=SECOND_BUSINESS)
    business.answers(1, customer)
    business.texts("hello??", customer, to=SECOND_BUSINESS)

    async def at_the_desk(desk: HandOver) -> HandedOver:
        [waiting] = await desk.all()
        await desk.take(waiting.conversation, waiting.session, "Marta")
        await desk.answer(waiting.conversation, waiting.session, "Marta", "Hi, Marta here.")
        return waiting

    waiting = at(business, folder, at_the_desk)
    assert (waiting.reason, waiting.assistant) == ("wants a refund", "showcase")
    business.answers(2, customer)
    at(business, folder, lambda d: d.give_back(waiting.conversation, waiting.session, "Marta"))
    business.answers(3, customer)
    business.texts("thanks", customer, to=SECOND_BUSINESS)
    assert business.answers(4, customer) == [
        "I've asked a colleague to help you. They will answer here.",
        "Hi, Marta here.",
        "You are talking to our automated assistant again.",
        "Glad to help.",
    ]
    assert "Hi, Marta here." in str(model.last_messages)  # the model knows what was said


def test_a_customer_asks_for_a_person_in_one_word(
    business: Rehearsal, model: FakeModel, customer: str
) -> None:
    business.texts("Agent!", customer)
    [said] = business.answers(1, customer)
    assert said.startswith("I've asked a person")
    assert model.requests == []


def one_more_answered(business: Rehearsal, text: str, customer: str, to: str = BUSINESS) -> None:
    said = len(business.messages(customer))
    business.texts(text, customer, to=to)
    wait_until(lambda: len(business.messages(customer)) >= said + 2, 30, f"an answer to {text}")


def at(business: Rehearsal, folder: Path, do: Callable[[HandOver], Awaitable[T]]) -> T:
    """Does something at the operators' desk, as the review app would."""

    async def run() -> T:
        store = Store.connect(business.valkey.url)
        try:
            return await do(HandOver(store, LiveAssistants(folder), 86_400))
        finally:
            await store.close()

    return asyncio.run(run())
