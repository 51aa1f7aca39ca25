"""A session becomes a story that Rasa reads, and a case that `make eval` reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rasa.shared.core.domain import Domain
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader

from evaluation import cases
from review.errors import Unusable
from review.saving_tests import CASES, STORIES, save_case, save_story

# Rasa warns about a domain that maps entities to slots by itself, whoever reads it.
pytestmark = pytest.mark.filterwarnings("ignore:Slot auto-fill")


def said(turn: str, body: str, **more: Any) -> dict[str, Any]:
    understood = {"intent": more.pop("intent", "nlu_fallback")}
    return {
        **{"type": "message", "author": "customer", "body": body, "understood": understood},
        **{"answered_in_turn": turn, "turn": None, "notes": [], **more},
    }


def answered(turn: str, body: str, **more: Any) -> dict[str, Any]:
    told = {
        **{"id": turn, "actions": [{"name": more.pop("action", "action_llm_reply")}]},
        **{"slots_set": {}, "failed": more.pop("failed", "")},
    }
    return {
        **{"type": "message", "author": "assistant", "body": body, "turn": told, "notes": []},
        **more,
    }


def note(kind: str, value: str) -> dict[str, Any]:
    return {"notes": [{"kind": kind, "value": value}]}


def session(*flow: dict[str, Any], name: str = "S1") -> dict[str, Any]:
    return {"id": name, "assistant": "default", "flow": list(flow)}


TALK = session(
    said("1", "Are you a bot?", intent="nlu_fallback", **note("intent", "ask_if_human")),
    answered("1", "I am.", action="utter_i_am_an_assistant"),
    said("2", 'When: "are" you\nopen?'),
    said("2", "Tomorrow, I mean"),
    answered("2", "At nine.", **note("ideal", "Monday to Saturday from nine to six.")),
    said("3", "what?"),
    answered("3", "Sorry.", failed="timeout"),
)


def test_a_story_is_one_that_rasa_reads_with_intents_as_corrected(tmp_path: Path) -> None:
    assert save_story(TALK, tmp_path) == str(STORIES)
    reader = YAMLStoryReader(Domain.from_file("domain.yml"))
    (story,) = reader.read_from_file(tmp_path / STORIES)
    events = [
        str(getattr(e, "intent_name", None) or getattr(e, "action_name", "")) for e in story.events
    ]
    assert events == [
        *("ask_if_human", "utter_i_am_an_assistant"),
        *("nlu_fallback", "action_llm_reply"),
    ]
    assert 'When: "are" you' in (tmp_path / STORIES).read_text()


def test_stories_are_added_and_a_session_saved_again_replaces_itself(tmp_path: Path) -> None:
    for name in ("S1", "S2", "S1"):
        save_story({**TALK, "id": name}, tmp_path)
    reader = YAMLStoryReader(Domain.from_file("domain.yml"))
    names = [story.block_name for story in reader.read_from_file(tmp_path / STORIES)]
    assert names == ["session S2", "session S1"]


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    names = [f"S{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda name: save_story({**TALK, "id": name}, tmp_path), names))
    reader = YAMLStoryReader(Domain.from_file("domain.yml"))
    saved = {story.block_name for story in reader.read_from_file(tmp_path / STORIES)}
    assert saved == {f"session {name}" for name in names}
    assert [path.name for path in (tmp_path / "tests").iterdir()] == [STORIES.name]


@pytest.mark.parametrize("words", ["/restart", "[bike](vehicle)", '[x]{"entity": "y"}'])
def test_a_text_that_rasa_would_read_as_something_else_is_refused(
    words: str, tmp_path: Path
) -> None:
    with pytest.raises(Unusable):
        save_story(session(said("1", words), answered("1", "Hm.")), tmp_path)
    assert not (tmp_path / STORIES).exists()


def test_a_file_that_somebody_broke_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / STORIES).write_text("stories: [")
    with pytest.raises(Unusable, match="no YAML any more"):
        save_story(TALK, tmp_path)
    assert (tmp_path / STORIES).read_text() == "stories: ["


def test_a_case_expects_the_ideal_answer(tmp_path: Path) -> None:
    file = save_case(TALK, tmp_path)
    assert file == str(CASES / "default-from-sessions.yml")
    (case,) = cases.load(tmp_path / CASES)
    assert (case.name, case.assistant) == ("session S1", "default")
    assert [turn.customer for turn in case.turns] == [
        "Are you a bot?",
        'When: "are" you\nopen?\nTomorrow, I mean',
    ]
    judged = case.turns[1].expect.judge
    assert judged == "It says what this says: Monday to Saturday from nine to six."


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/x", "..", "a/b", "a\\b\n"])
def test_no_assistant_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be that of a file"):
        save_case({**TALK, "assistant": name}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_case_without_an_ideal_answer_would_expect_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="ideal answer"):
        save_case(session(said("1", "Hello"), answered("1", "Hi")), tmp_path)
