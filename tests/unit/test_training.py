"""Training happens if there is no model, or if something that it is made from is newer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local import quietly, training

SOURCES = ["config.yml", "domain.yml", "data/nlu.yml", "data/more/rules.yml", "components/llm.py"]
YESTERDAY, TODAY, TOMORROW = 1_000_000, 1_086_400, 1_172_800


def touch(path: Path, when: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (when, when))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Sources of yesterday, and a model of today."""
    for source in SOURCES:
        touch(tmp_path / source, YESTERDAY)
    for folder in ("data/more", "data"):
        os.utime(tmp_path / folder, (YESTERDAY, YESTERDAY))
    touch(tmp_path / "models" / "old.tar.gz", YESTERDAY)
    touch(tmp_path / "models" / "new.tar.gz", TODAY)
    return tmp_path


def test_a_newer_model_needs_no_training(project: Path) -> None:
    assert not training.is_needed(project)
    assert training.newest_model(project) == project / "models" / "new.tar.gz"


def test_no_model_needs_training(tmp_path: Path) -> None:
    assert training.is_needed(tmp_path)


@pytest.mark.parametrize("source", SOURCES)
def test_a_newer_source_needs_training(project: Path, source: str) -> None:
    touch(project / source, TOMORROW)
    assert training.is_needed(project)


def test_a_source_taken_away_needs_training(project: Path) -> None:
    (project / "data" / "more" / "rules.yml").unlink()  # its folder changes, now
    assert training.is_needed(project)


def test_other_files_do_not_matter(project: Path) -> None:
    for other in ("README.md", "components/__pycache__/llm.pyc", "models/notes.txt"):
        touch(project / other, TOMORROW)
    assert not training.is_needed(project)


def test_what_rasa_finds_doubtful_is_shown_without_the_rest() -> None:
    said = (
        "2026-11-23 16:38:02 INFO     rasa.validator  - Validating intents...\n"
        "\x1b[93m/venv/rasa/shared/utils/io.py:100: UserWarning: The intent 'x' is not used.\n"
        "\x1b[0mProcessed rules: 100%\n"
    )
    assert training.warnings_in(said) == ["The intent 'x' is not used."]


def test_a_form_s_questions_are_no_reason_for_a_warning() -> None:
    question = (
        "The utterance 'utter_ask_callback_form_callback_time' is not used in any story or rule."
    )
    assert not quietly.is_needed(question, UserWarning)
    assert quietly.is_needed(question.replace("ask_callback", "hello"), UserWarning)
    assert not quietly.is_needed("old", DeprecationWarning)
