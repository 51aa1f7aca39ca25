"""Rasa without TensorFlow, where no component of config.yml needs it: 350 MB and seconds less.

Rasa imports TensorFlow at every start, for names in annotations and base classes. Here these names
are placeholders. Whoever uses one learns what to do; nothing half works.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connectors.errors import SettingsError
from connectors.settings import ROOT, Settings

# Those of Rasa's components that do without, and ours.
WITHOUT = frozenset(
    {
        "WhitespaceTokenizer",
        "KeywordIntentClassifier",
        "FallbackClassifier",
        "RegexEntityExtractor",
        "EntitySynonymMapper",
        "RulePolicy",
        "MemoizationPolicy",
        "AugmentedMemoizationPolicy",
        "components.llm_policy.LlmPolicy",
    }
)
_PLACED = ("tensorflow", "tensorflow_addons", "tensorflow_hub", "tensorflow_text", "keras")
_USED = (
    "TensorFlow was left out, because no component in config.yml needs it, but something uses {}."
    " Was the model trained with another config.yml? RASA_SPEED_FIXES=off brings TensorFlow back."
)


def where_possible(arguments: Sequence[str]) -> None:
    """Leave it out of `rasa run`, unless a component needs it or RASA_SPEED_FIXES is off."""
    if list(arguments[:2]) != ["rasa", "run"] or "actions" in arguments:
        return
    try:
        wanted = Settings.load().rasa_speed_fixes
    except SettingsError:
        return  # the channel names what is wrong, and stops the start
    if wanted and is_possible(ROOT / "config.yml"):
        leave_out()


def is_possible(config: Path) -> bool:
    """Does every component in a config.yml do without? An unknown one may need it."""
    try:
        read = YAML(typ="safe").load(config)
        listed = [*(read.get("pipeline") or []), *(read.get("policies") or [])]
        names = [component["name"] for component in listed]
    except (OSError, YAMLError, AttributeError, KeyError, TypeError):
        return False  # Rasa itself will say what is wrong with it
    return bool(names) and WITHOUT.issuperset(names)


def leave_out() -> None:
    """From now on `import tensorflow` gives placeholders."""
    if not any(name in sys.modules for name in _PLACED):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.split(".")[0] not in _PLACED:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholders(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


class _Placeholders(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        return _placeholder(self.__name__, name)


class _Names(type):
    def __getattr__(cls, name: str) -> Any:
        return _placeholder(cls.__qualname__, name)


def _placeholder(where: str, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    full = f"{where}.{name}"
    return _Names(full, (_Placeholder,), {"__qualname__": full})


class _Placeholder:
    """May be named in an annotation and be the base of a class, and no more."""

    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError(_USED.format(type(self).__qualname__))
