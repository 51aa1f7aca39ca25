"""TensorFlow is left out where no component needs it, and whoever misses it is told why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.settings import ROOT
from local import without_tensorflow
from local.without_tensorflow import is_possible

PIPELINE = "pipeline:\n  - name: WhitespaceTokenizer\n"


def config(folder: Path, text: str) -> Path:
    path = folder / "config.yml"
    path.write_text(text)
    return path


def test_our_own_config_does_without() -> None:
    assert is_possible(ROOT / "config.yml")


@pytest.mark.parametrize(
    "text",
    [
        PIPELINE + "  - name: DIETClassifier\n    epochs: 100\npolicies:\n  - name: RulePolicy\n",
        PIPELINE + "policies:\n  - name: TEDPolicy\n",
        PIPELINE + "policies:\n  - name: my.own.Policy\n",  # nobody knows what that needs
        "pipeline:\npolicies:\n",  # Rasa chooses, and its choice needs TensorFlow
        "pipeline: WhitespaceTokenizer\n",
        "pipeline:\n  - WhitespaceTokenizer\n",
        "pipeline: [",
        "",
    ],
)
def test_whatever_may_need_it_gets_it(tmp_path: Path, text: str) -> None:
    assert not is_possible(config(tmp_path, text))


def test_without_a_config_it_stays(tmp_path: Path) -> None:
    assert not is_possible(tmp_path / "config.yml")


@pytest.mark.parametrize(
    ("arguments", "switch", "left_out"),
    [
        ("rasa run -p 5005", "on", True),
        ("rasa run -p 5005", "off", False),
        ("rasa run actions", "on", False),
        ("rasa train", "on", False),
        ("local.shell", "on", False),
    ],
)
def test_only_rasa_run_goes_without(
    arguments: str, switch: str, left_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(without_tensorflow, "leave_out", lambda: calls.append(True))
    monkeypatch.setenv("RASA_SPEED_FIXES", switch)
    without_tensorflow.where_possible(arguments.split())
    assert calls == [True] * left_out


CHILD = """
import sys
from local.without_tensorflow import leave_out
leave_out()
import rasa.core.run, rasa.server
assert not [name for name in sys.modules if name.startswith("tensorflow.python")]
from rasa.utils.tensorflow.models import RasaModel
try:
    RasaModel()
except RuntimeError as error:
    print(error)
"""


def test_rasa_starts_without_it_and_a_component_that_needs_it_says_so() -> None:
    words = [sys.executable, "-W", "ignore", "-c", CHILD]
    child = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert child.returncode == 0, child.stderr[-2000:]
    assert "RASA_SPEED_FIXES=off brings TensorFlow back" in child.stdout
