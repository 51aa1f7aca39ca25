"""Quietly: `python -m local.quietly rasa run` is `python -m rasa run` without deprecation warnings.

They are for those who write the dependencies, not for those who run them. PYTHONWARNINGS cannot
do it: Sanic turns these warnings on again, after it was read. TensorFlow stays out where it can.
"""

from __future__ import annotations

import runpy
import sys
import warnings
from typing import Any

from local import without_tensorflow

_show = warnings.showwarning


def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    if not issubclass(category, DeprecationWarning | PendingDeprecationWarning):
        _show(message, category, *where, **more)


if __name__ == "__main__":
    warnings.showwarning = show
    del sys.argv[0]
    without_tensorflow.where_possible(sys.argv)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
