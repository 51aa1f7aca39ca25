"""Quietly: `python -m local.quietly rasa run` is `python -m rasa run` without needless warnings.

Deprecations are for those who write the dependencies, not for those who run them. PYTHONWARNINGS
cannot do it: Sanic turns these warnings on again, after it was read. TensorFlow stays out where it
can.
"""

from __future__ import annotations

import gc
import re
import runpy
import sys
import warnings
from typing import Any

from local import without_tensorflow

# Rasa's validator looks for every sentence in rules and stories; a form's questions stand in none.
_ASKED_BY_A_FORM = re.compile(r"The utterance 'utter_ask_\w+' is not used in any story or rule\.")
_show = warnings.showwarning
# Starting makes some hundred thousand objects and hardly any garbage, for which Python looks after
# every 700 of them: an eighth of the start.
YOUNG_OBJECTS = 10_000


def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    if is_needed(str(message), category):
        _show(message, category, *where, **more)


def is_needed(message: str, category: type[Warning]) -> bool:
    if issubclass(category, DeprecationWarning | PendingDeprecationWarning):
        return False
    return not _ASKED_BY_A_FORM.match(message)


if __name__ == "__main__":
    warnings.showwarning = show
    gc.set_threshold(YOUNG_OBJECTS)
    del sys.argv[0]
    without_tensorflow.where_possible(sys.argv)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
