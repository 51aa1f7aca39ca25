"""Keeps plain `rasa test` out of `.venv`."""

from __future__ import annotations

import os
from collections.abc import Callable

from rasa.shared import data


def skip_hidden_folders() -> None:
    """Let Rasa look for stories in folders that do not begin with a dot.

    `rasa test` searches everything below the project, and finds the stories of Rasa's own sample
    assistant in `.venv`: they fail, because they are about another assistant.
    """
    data._find_data_files_in_directory = visible_files


def visible_files(directory: str, is_wanted: Callable[[str], bool]) -> set[str]:
    """Rasa's own walk, without the hidden folders."""
    found: set[str] = set()
    for folder, subfolders, files in os.walk(directory, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths = (os.path.join(folder, name) for name in files)
        found.update(path for path in paths if data.is_valid_filetype(path) and is_wanted(path))
    return found
