"""Garbage: keeps Python's collector from going through what a server holds until it ends."""

from __future__ import annotations

import gc


def spare_what_is_loaded() -> None:
    """Call it once, when a server is ready.

    Rasa and its model are a quarter of a million objects. A full collection looked at each of them
    and stopped the process for 0.2 to 0.4 s, in which no text was acknowledged. What is loaded now
    is not looked at again; what comes later is, as ever.
    """
    gc.collect()
    gc.freeze()
