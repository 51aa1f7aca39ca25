"""A business edits its assistant; the file is right, or says where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors import assistants
from connectors.assistant import Assistant, ModelSettings, Prices, Texts
from connectors.assistants import Assistants, LiveAssistants, attached
from connectors.errors import SettingsError
from connectors.settings import ROOT

SHOP = "name: Shop\nprompt: You are a shop.\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts files into a folder of assistants, and gives the folder back."""

    def write(**files: str) -> Path:
        for name, content in files.items():
            (tmp_path / f"{name}.yml").write_text(content)
        return tmp_path

    return write


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        Assistants.load(folder)
    return re.findall(r"  - .*/([a-z]+\.yml.*)", str(refused.value))


def test_a_few_lines_that_stand_for_billions_are_refused_at_once(write: Write) -> None:
    ten_fold = "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    folder = write(shop=f"a: &a [x]\n{ten_fold}name: *j\nprompt: Hi.\n")
    assert any("a list" in mistake for mistake in mistakes(folder))


# What comes with the project


def test_both_assistants_that_ship_are_good() -> None:
    shipped = Assistants.load()
    assert set(shipped.by_id) == {"default", "showcase"}
    assert shipped.default is shipped.by_id["default"]
    assert shipped.numbers == ()  # nobody else has such a number
    assert shipped.by_id["default"].tools == ()  # the embedded model cannot call any


def test_the_showcase_shows_every_field_and_every_text() -> None:
    shown = (ROOT / "assistants" / "showcase.yml").read_text()
    ours = {"id", "lines", "default"}  # not in a file, and the other file's
    names = {*Assistant.__dataclass_fields__, *vars(Texts()), *vars(ModelSettings())} - ours
    assert {name for name in names if not re.search(rf"^[# ]*{name}:", shown, re.M)} == set()


# What is in a file


def test_two_lines_are_an_assistant(write: Write) -> None:
    shop = Assistants.load(write(shop=SHOP)).by_id["shop"]
    assert (shop.name, shop.prompt, shop.segments, shop.emoji) == (
        "Shop",
        "You are a shop.",
        3,
        False,
    )


def test_a_file_is_read_whole(write: Write) -> None:
    folder = write(
        shop=SHOP
        + """
numbers: ["+15550100001", +15550100002, 12345]
timezone: America/New_York
languages: [en, pt-BR]
model: {name: big, temperature: 0.5, max_tokens: 9, extra: {a: [b, 1, null]}, prices: {prompt: 1}}
fallback_model: {name: small}
session_seconds: 60
tools: [hand_over]
hours: {monday-friday: 9:00-18:00, closed_on: [2026-12-25]}
"""
    )
    shop = Assistants.load(folder).by_id["shop"]
    assert shop.numbers == ("+15550100001", "+15550100002", "12345")
    assert shop.model == ModelSettings("big", 0.5, 9, {"a": ["b", 1, None]}, Prices(prompt=1.0))
    assert shop.fallback_model == ModelSettings("small")
    assert shop.session_seconds == 60
    assert str(shop.hours) == "Monday to Friday 9:00-18:00, Saturday and Sunday closed"


def test_the_prompt_knows_the_time_where_the_business_is(write: Write) -> None:
    prompt = "{business_name}: {date}, {time}, {open_now}, {hours}. {languages} {{x}} {contact}"
    folder = write(
        shop=f"name: Shop\ncontact: Ann\nlanguages: [en, es]\nprompt: '{prompt}'\n"
        "timezone: America/New_York\nhours: {monday: 9-17}\n"
    )
    shop = Assistants.load(folder).by_id["shop"]
    evening_in_europe = datetime(2026, 11, 23, 20, 5, tzinfo=timezone.utc)
    assert shop.prompt_at(evening_in_europe) == (
        "Shop: Monday, 23 November 2026, 3:05 pm, open, "
        "Monday 9:00-17:00, Tuesday to Sunday closed. English, Spanish {x} Ann"
    )


def test_the_fixed_texts_are_finished_and_name_the_business(write: Write) -> None:
    folder = write(
        shop=SHOP, other=SHOP + "contact: 555-0199\ntexts: {apology: 'Call {contact}.'}\n"
    )
    shop, other = (Assistants.load(folder).by_id[name].texts for name in ("shop", "other"))
    assert shop.help == (
        "Shop: an automated assistant answers your texts. Message frequency varies."
        " Msg & data rates may apply. Reply STOP to opt out."
    )
    assert "For a person: 555-0199. Message" in other.help
    assert other.apology == "Call 555-0199."
    assert shop.opted_out.startswith("Shop: you are unsubscribed")


# What is wrong with a file


def test_every_mistake_is_named_with_its_line(write: Write) -> None:
    folder = write(
        shop="""name: Shop
prompt: "Now it is {now}"
temprature: 0.5
model:
  temperature: hot
  max_tokens: true
numbers: [call us]
timezone: New York
deadline_seconds: 60
knowledge: ../secrets
hours: {mon: 9-17, tuesday: 17-9, friday-monday: 9-17}
texts:
  help: "{time}"
  apology: ""
tools: [a, a]
"""
    )
    found = mistakes(folder)
    for line, said in {
        2: "`prompt`: {now} is no variable; known are {business_name}, {contact}, {time}, {date}",
        3: "`temprature` is unknown; known are name, prompt, facts, numbers",
        5: "`model.temperature` must be a number from 0 to 2, not 'hot'",
        6: "`model.max_tokens` must be a whole number from 1 to 8192, not True",
        7: "`numbers`: 'call us' is no number like \"+15550100001\"",
        8: "`timezone` must be a time zone like America/New_York, not 'New York'",
        9: "`deadline_seconds` must be a number from 1 to 45, not 60",
        10: "`knowledge` must be a folder beside this file, not '../secrets'",
        13: "`texts.help`: {time} is no variable; known are {business_name}, {contact}",
        14: "`texts.apology` must be a text of 1 to 480 characters, not ''",
        15: "`tools`: something is listed twice",
    }.items():
        [one] = [each for each in found if each.startswith(f"shop.yml:{line}:")]
        assert said in one
    hours = [each for each in found if each.startswith("shop.yml:11:")]
    assert len(hours) == 3
    assert "'17-9' is no time like 9:00-18:00" in hours[1]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("", "shop.yml: it must be lines of"),
        ("- a list", "shop.yml: it must be lines of"),
        ("name: a\nname: b\n", "shop.yml:2: found duplicate key"),
        ("name: 'a\n", "shop.yml:2: found unexpected end of stream"),
        ("name: \x00\n", "shop.yml: is not YAML"),
        ("name: " + "[" * 2_000, "shop.yml: is too deeply nested"),
        ("5: a\n", "shop.yml:1: `5` is unknown"),
        ("name: Shop\n", "shop.yml: `prompt` is missing"),
        ("name: Shop\nprompt: 100% {\n", "shop.yml:2: `prompt`: a brace that is no variable"),
        (SHOP + "model: big\n", "shop.yml:3: `model` must have lines of `name: value` below it"),
        (SHOP + "knowledge: facts\n", "shop.yml:3: `knowledge`: there is no folder facts"),
        (
            "name: a\nprompt: '{hours}'\n",
            "shop.yml:2: `prompt` has {hours}, but `hours` is missing",
        ),
    ],
)
def test_what_is_no_assistant_file_is_said_plainly(
    write: Write, content: str, mistake: str
) -> None:
    assert mistake in "\n".join(mistakes(write(shop=content)))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_bytes(b"name: \xff\n")
    assert mistakes(tmp_path) == ["shop.yml: is not a UTF-8 text file"]


def test_a_folder_without_assistants(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has no assistant"):
        Assistants.load(tmp_path)


def test_every_file_has_its_say(write: Write) -> None:
    found = mistakes(write(a="name: A\n", b=SHOP + "emoji: yes please\n"))
    assert found == [
        "a.yml: `prompt` is missing",
        "b.yml:3: `emoji` must be true or false, not 'yes please'",
    ]


def test_a_process_that_knows_more_checks_more(write: Write) -> None:
    with pytest.raises(SettingsError, match=r"shop\.yml:3: no such tool"):
        Assistants.load(
            write(shop=SHOP + "tools: [x]\n"), also=lambda _: [("tools", "no such tool")]
        )


# Whose number it is


ONE, TWO, THREE = "+15550100001", "+15550100002", "+15550100003"


def test_each_number_has_its_assistant(write: Write) -> None:
    folder = write(a=f"{SHOP}numbers: ['{ONE}']\n", b=f"{SHOP}numbers: ['{TWO}']\n")
    both = Assistants.load(folder)
    answering = {n: getattr(both.for_number(n), "id", None) for n in (ONE, TWO, THREE)}
    assert answering == {ONE: "a", TWO: "b", THREE: None}
    assert attached([THREE, ONE], both) == (ONE, TWO)


def test_the_default_answers_the_rest(write: Write) -> None:
    folder = write(a=f"{SHOP}numbers: ['{ONE}']\n", b=f"{SHOP}default: true\n")
    assert attached([THREE], Assistants.load(folder)) == (THREE, ONE)


def test_the_only_assistant_is_the_default(write: Write) -> None:
    only = Assistants.load(write(a=SHOP))
    assert only.for_number(ONE) is only.by_id["a"]


def test_a_number_and_the_default_belong_to_one_file(write: Write) -> None:
    claims = f"{SHOP}numbers: ['{ONE}']\ndefault: true\n"
    assert mistakes(write(a=claims, b=claims)) == [
        f"b.yml:3: {ONE} is a.yml's already",
        "b.yml:4: a.yml is the default already",
    ]


# While everything runs


@pytest.fixture
def live(write: Write, monkeypatch: pytest.MonkeyPatch) -> LiveAssistants:
    monkeypatch.setattr(assistants, "LOOK_AGAIN_SECONDS", 0)
    return LiveAssistants(write(shop=SHOP))


def test_a_change_counts_at_once(live: LiveAssistants, write: Write) -> None:
    write(shop=SHOP.replace("a shop", "another shop"), second=SHOP)
    assert live.now.by_id["shop"].prompt == "You are another shop."
    assert set(live.now.by_id) == {"shop", "second"}


def test_a_bad_edit_keeps_what_was_good_and_is_said_once(
    live: LiveAssistants, write: Write
) -> None:
    write(shop="name: Shop\nprompt: [\n")
    with capture_logs() as logs:
        assert [live.now.by_id["shop"].prompt for _ in range(3)] == ["You are a shop."] * 3
    assert [line["event"] for line in logs] == ["assistants.not_taken"]
    assert "shop.yml:3" in logs[0]["reason"]
    write(shop=SHOP.replace("a shop", "mended"))
    assert live.now.by_id["shop"].prompt == "You are mended."
