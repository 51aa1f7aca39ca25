"""Conversation cases: how they are written, what they find out, and what a run says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actions.llm_reply import ReplyWriter
from connectors.assistant import Assistant, Prices
from connectors.errors import SettingsError
from connectors.settings import Settings
from evaluation import cases, report
from evaluation.__main__ import main
from evaluation.cases import Case, Expect, load
from evaluation.checks import Answer, failures, language
from evaluation.play import Played, Player, Told
from tests.fakes.model import Calls, Fails, FakeModel, Says

SHOP = Assistant(
    id="shop", name="Shop", prompt="You are a shop.", tools=("hand_over",), deadline_seconds=5
)


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    async with FakeModel() as model:
        yield model


@pytest.fixture
async def player(model: FakeModel) -> AsyncIterator[Player]:
    writer = ReplyWriter(Settings.load({"LLM_BASE_URL": model.base_url}))
    yield Player(writer)
    await writer.close()


def case(*turns: tuple[str, dict[str, object]], name: str = "a case") -> Case:
    given = [{"customer": customer, "expect": expect} for customer, expect in turns]
    return Case.parse_obj({"name": name, "turns": given, "assistant": "shop", "tags": ["t"]})


# Case files


def test_the_cases_that_ship_can_be_read() -> None:
    found = load(assistants=["default", "showcase"])
    assert {each.assistant for each in found} == {"default", "showcase"}
    assert len(found) >= 12


BAD = """assistant: nobody
tags: smoke
cases:
  - name: one
    turns:
      - customer: Hi
        expect:
          contians: hello
          matches: "(["
          segments: 0
          language: Klingon
      - expect: {contains: 5}
  - name: two
    turns: []
  - turns: [{customer: Hi}]
"""


def test_every_mistake_is_named_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text(BAD)
    with pytest.raises(SettingsError) as found:
        load(tmp_path)
    said = str(found.value)
    for line, words in {
        2: "`tags`",
        8: "`cases.turns.expect.contians`: extra fields",
        9: "no regular expression",
        10: "`cases.turns.expect.segments`",
        11: "must be one of ar, de, en",
        12: "`cases.turns.customer`: field required",
        14: "`cases.turns`",
        15: "`cases.name`: field required",
    }.items():
        assert any(f"shop.yml:{line}: " in each and words in each for each in said.splitlines()), (
            line,
            said,
        )


def test_names_and_assistants_are_checked_across_files(tmp_path: Path) -> None:
    one = "assistant: shop\ncases:\n  - {name: a, turns: [{customer: Hi}]}\n"
    (tmp_path / "a.yml").write_text(one)
    (tmp_path / "b.yml").write_text(one.replace("shop", "nobody"))
    with pytest.raises(SettingsError) as found:
        load(tmp_path, ["shop"])
    assert "b.yml:1: there is no assistants/nobody.yml" in str(found.value)
    assert "b.yml:3: another case is called 'a' too" in str(found.value)


@pytest.mark.parametrize("content", ["", "- a", "cases: 5", "cases: [", "\ufeff\x00"])
def test_what_is_no_case_file_is_said_plainly(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yml").write_text(content)
    with pytest.raises(SettingsError, match=r"a\.yml"):
        load(tmp_path)


# Expectations


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ({"contains": "OPEN"}, None),
        ({"contains": ["we're", "nine"]}, None),
        ({"contains": "six"}, "contains: 'six' is missing"),
        ({"any_of": ["six", "nine"]}, None),
        ({"any_of": ["six", "ten"]}, "any_of: none of 'six', 'ten'"),
        ({"not_contains": ["nine"]}, "not_contains: 'nine' is there"),
        ({"matches": "n.ne$"}, None),
        ({"matches": "^n"}, "matches: '^n' does not"),
        ({"tool": "opening_hours", "not_tool": "hand_over"}, None),
        ({"tool": ["hand_over"]}, "tool: not hand_over, but opening_hours"),
        ({"not_tool": "opening_hours"}, "not_tool: opening_hours was called"),
        ({"file": "a.md"}, None),
        ({"file": "b.md"}, "file: not b.md, but a.md"),
        ({"segments": 2}, None),
        ({"segments": 1}, "segments: 2 instead of 1"),
        ({"language": "en"}, None),
        ({"language": "de"}, "language: en instead of de"),
    ],
)
def test_an_expectation(expect: dict[str, object], wrong: str | None) -> None:
    answer = Answer(
        "Yes, we’re open from nine", 2, "answered", 5, tools=("opening_hours",), files=("a.md",)
    )
    assert list(failures(Expect.parse_obj(expect), answer)) == ([wrong] if wrong else [])


def test_an_apology_is_never_right() -> None:
    assert list(failures(Expect(), Answer("Sorry", 1, "apology", 5))) == ["it got only the apology"]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("We are open on Sunday.", "en"),
        ("Abrimos el domingo a las nueve.", "es"),
        ("Wir haben sonntags geschlossen.", "de"),
        ("Мы работаем по воскресеньям.", "ru"),
        ("我们星期天不营业。", "zh"),
    ],
)
def test_languages_are_told_apart(text: str, tag: str) -> None:
    assert language(text) == tag


# Playing


async def test_a_case_is_played_as_a_customer_would(player: Player, model: FakeModel) -> None:
    model.script = [
        Says("**Hello** Ada"),
        Calls.one("hand_over", reason="asked"),
        Says("A colleague comes."),
    ]
    played = await player.play(
        case(
            ("I'm Ada, my card is 4242 4242 4242 4242", {"contains": "Hello Ada"}),
            ("A human please", {"tool": "hand_over"}),
        ),
        SHOP,
    )
    assert played.passed, played
    assert played.turns[0].answer.prompt_tokens == 12
    assert "4242" not in str(model.requests)
    assert [m["role"] for m in model.requests[-1]["messages"]][:4] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


async def test_each_case_is_a_session_of_its_own(player: Player, model: FakeModel) -> None:
    for _ in range(2):
        await player.play(case(("Hello", {})), SHOP)
    assert [len(request["messages"]) for request in model.requests] == [2, 2]


async def test_a_long_answer_is_seen_as_the_customer_gets_it(
    player: Player, model: FakeModel
) -> None:
    model.answers("".join(f"This is sentence number {n}. " for n in range(40)))
    [turn] = (await player.play(case(("Hello", {"segments": 3})), SHOP)).turns
    assert turn.failures == ()
    assert turn.answer.text.endswith("Reply MORE for the rest.")


@pytest.mark.parametrize(
    ("verdict", "wrong"),
    [
        (Says("Yes, it is."), ()),
        (Says("NO: it is rude."), ("judge: NO: it is rude.",)),
        (Fails(401), ("judge: gave no verdict (key_refused)",)),
    ],
)
async def test_the_model_judges(
    player: Player, model: FakeModel, verdict: Says | Fails, wrong: tuple[str, ...]
) -> None:
    model.script = [Says("Go away."), verdict]
    [turn] = (await player.play(case(("Hi", {"judge": "It is polite."})), SHOP)).turns
    assert turn.failures == wrong
    asked = model.requests[1]["messages"][1]["content"]
    assert asked == "Customer: Hi\nAnswer: Go away.\nStatement: It is polite."


# What a run says


def played(name: str, *, passed: bool, ms: int = 100) -> Played:
    answer = Answer("Hi", 1, "answered", ms, prompt_tokens=900, completion_tokens=100, model="m")
    told = Told("Hello", answer, () if passed else ("contains: 'x' is missing",))
    return Played(case(("Hello", {}), name=name), (told,))


def test_figures_add_up() -> None:
    runs = [played("a", passed=True, ms=n) for n in range(1, 20)] + [
        played("b", passed=False, ms=2000)
    ]
    result = report.result(
        runs, {"shop": Prices(prompt=1.0, completion=10.0)}, "2026-11-23T12:00:00"
    )
    assert (result.total.passed, result.total.runs, result.total.rate) == (19, 20, 0.95)
    assert (result.total.p50, result.total.p95) == (10, 19)
    assert result.total.tokens == 20_000
    assert result.total.dollars == pytest.approx(20 * (900 * 1 + 100 * 10) / 1e6)
    assert [row.name for row in result.cases] == ["a", "b"]
    assert [row.name for row in result.tags] == ["t"]
    assert report.Result.read(result.write()) == result


def test_a_price_that_is_not_known_is_not_nothing() -> None:
    assert report.result([played("a", passed=True)], {}, "now").total.dollars is None


def test_nothing_played_is_no_mistake() -> None:
    assert report.percentile([], 95) == 0
    assert report.result([], {}, "now").total.rate == 0


def test_what_became_worse_stands_out(tmp_path: Path) -> None:
    before = report.result([played("a", passed=True), played("b", passed=False)], {}, "1")
    now = report.result([played("a", passed=False), played("b", passed=True)], {}, "2")
    report.keep(tmp_path, before)
    lines = list(report.table(now, report.last(tmp_path)))
    assert any(line.startswith("a ") and line.endswith("WORSE: it was 100%") for line in lines)
    assert any(line.startswith("b ") and line.endswith("better: it was 0%") for line in lines)
    assert "it was" not in lines[-1]


def test_a_run_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    assert report.last(tmp_path) is None
    (tmp_path / "2026.json").write_text('{"at": 1}')
    assert report.last(tmp_path) is None


# The command


@pytest.fixture
def served() -> Iterator[FakeModel]:
    """A model that answers while a command with a loop of its own runs."""
    loop, model = asyncio.new_event_loop(), FakeModel()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(model.__aenter__(), loop).result(10)
    yield model
    asyncio.run_coroutine_threadsafe(model.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


CASES = """cases:
  - {name: greets, tags: [nice], turns: [{customer: Hi, expect: {contains: hello}}]}
  - {name: knows, turns: [{customer: What is it?, expect: {contains: a bike}}]}
"""


def test_the_command_tells_and_its_exit_code_too(
    served: FakeModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served.answers("Hello!")
    monkeypatch.setenv("LLM_BASE_URL", served.base_url)
    (tmp_path / "default.yml").write_text(CASES)
    runs = tmp_path / "runs"
    command = ["--cases", str(tmp_path), "--runs", str(runs)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "ok     greets" in said
    assert "FAILED knows" in said
    assert "answer    Hello!\n  but       contains: 'a bike' is missing" in said
    assert main([*command, "--at-least", "50"]) == 0
    assert main([*command, "--at-least", "51"]) == 1
    assert main([*command, "--only", "nice", "--times", "3", "--at-least", "100"]) == 0
    assert "3/3" in capsys.readouterr().out
    assert len(list(runs.glob("*.json"))) == 4
    assert main([*command, "--only", "nonsense"]) == 2
    served.script = [Fails(401)]
    assert main(command) == 2
    assert "never answered" in capsys.readouterr().err


def test_a_mistake_in_a_case_file_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "default.yml").write_text("cases: [{name: a}]")
    assert main(["--cases", str(tmp_path)]) == 2
    assert "default.yml:1: `cases.turns`: field required" in capsys.readouterr().err


def test_the_description_names_every_expectation() -> None:
    described = cases.__doc__ or ""
    assert [name for name in Expect.__fields__ if f" {name}:" not in described] == []
