"""Prices: what a segment and a token cost, from prices.yml. Sums are in millionths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connectors.errors import SettingsError

FILE = Path(__file__).parent / "prices.yml"
MILLION = 1_000_000
# Makers put the day of a model's making after its name: -2024-07-18, -20251001
_DATE = re.compile(r"-\d{4}-?\d\d-?\d\d$")


@dataclass(frozen=True)
class Prices:
    """`models` maps a model's name to its price for a million tokens in and out."""

    currency: str
    segment_out: float
    segment_in: float
    models: Mapping[str, tuple[float, float]]
    as_of: str = ""  # "November 2026"

    @classmethod
    def load(cls, file: Path = FILE) -> Prices:
        """Raises SettingsError."""
        try:
            given = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
            return cls._read(given)
        except OSError as error:
            raise SettingsError(f"{file.name} cannot be read: {error.strerror}") from None
        except (YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise SettingsError(
                f"{file.name} is not as its comments say ({type(error).__name__}: {error})"
            ) from None

    @classmethod
    def _read(cls, given: Mapping[str, Any]) -> Prices:
        return cls(
            str(given["currency"]),
            float(given["segment"]["out"]),
            float(given["segment"]["in"]),
            {
                str(name): (float(price["prompt"]), float(price["completion"]))
                for name, price in (given.get("models") or {}).items()
            },
            str(given.get("as_of") or ""),
        )

    def of_segments(self, out: int = 0, *, coming_in: int = 0) -> int:
        return round((out * self.segment_out + coming_in * self.segment_in) * MILLION)

    def of_tokens(self, model: str, prompt: int, completion: int) -> int:
        """A model that is not in the list, also without its date, costs nothing."""
        price = self.models.get(model) or self.models.get(_DATE.sub("", model))
        of_prompt, of_completion = price or (0.0, 0.0)
        return round(prompt * of_prompt + completion * of_completion)
