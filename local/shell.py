"""`python -m local.shell ...` is `rasa shell ...`, and ends with its input, as shells do."""

from __future__ import annotations

import runpy
import sys
from typing import Any

from rasa.core.channels import console

_ask = console._get_user_input


async def ask(previous_response: dict[str, Any] | None) -> str | None:
    """What was typed. None, which ends the shell, for Ctrl-D: Rasa would hang with a traceback."""
    try:
        text: str | None = await _ask(previous_response)
    except EOFError:
        return None
    return text


if __name__ == "__main__":
    console._get_user_input = ask
    sys.argv[:1] = ["rasa", "shell"]
    runpy.run_module("rasa", run_name="__main__")
