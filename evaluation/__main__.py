"""`make eval`: plays the cases against the configured model, and says how it did.

Exit codes: 0 unless fewer than `--at-least` percent of the runs passed (default 0: it only tells),
then 1; 2 if it could not be tried at all: a mistake in a file or a setting, or a model that never
answered.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import structlog

from actions.llm_reply import ReplyWriter
from actions.toolbox import unknown_tools
from connectors.assistants import Assistants
from connectors.errors import SettingsError
from connectors.settings import VAR, Settings
from evaluation import report
from evaluation.cases import FOLDER, Case, load
from evaluation.play import Played, Player
from local.ports import is_free

RUNS = VAR / "eval"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        settings = Settings.load()
        assistants = Assistants.load(also=unknown_tools)
        cases = chosen(load(given.cases, assistants.by_id), given.only)
        with model_of(settings):
            played = asyncio.run(play(cases, settings, assistants, given.times))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return conclude(played, assistants, given.at_least, given.runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make eval", description=__doc__)
    parser.add_argument("--cases", type=Path, default=FOLDER, help="a folder of case files")
    parser.add_argument("--only", default="", help="a tag, an assistant, or part of a case's name")
    parser.add_argument("--times", type=int, default=1, help="how often each case is played")
    parser.add_argument("--at-least", type=float, default=0.0, help="percent that must pass")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where earlier runs are kept")
    return parser


def chosen(cases: Sequence[Case], only: str) -> list[Case]:
    """Raises SettingsError if there is nothing to play."""
    found = [
        case
        for case in cases
        if only in ("", case.assistant, *case.tags) or only.lower() in case.name.lower()
    ]
    if not found:
        raise SettingsError(f"no case has {only!r} as tag, assistant or part of its name")
    return found


@contextmanager
def model_of(settings: Settings) -> Iterator[None]:
    """The embedded model serves meanwhile, if it is the one and does not run already."""
    server = None
    if settings.embedded_model and is_free(settings.model_port):
        from local.model import serve  # it is installed only where it is used

        print("starting the embedded model", flush=True)
        server = serve(settings.model_port)
    yield
    del server


async def play(
    cases: Sequence[Case], settings: Settings, assistants: Assistants, times: int
) -> list[Played]:
    """Every case so many times, one after the other: side by side, latency would mean nothing."""
    writer = ReplyWriter(settings)
    player = Player(writer)
    played = []
    try:
        await player.warm_up(assistants.by_id[cases[0].assistant])
        for case in cases:
            for _ in range(times):
                played.append(await player.play(case, assistants.by_id[case.assistant]))
                print(f"{'ok    ' if played[-1].passed else 'FAILED'} {case.name}", flush=True)
    finally:
        await writer.close()
    return played


def conclude(
    played: Sequence[Played], assistants: Assistants, at_least: float, folder: Path
) -> int:
    prices = {name: each.model.prices for name, each in assistants.by_id.items()}
    result = report.result(played, prices, datetime.now().isoformat(timespec="milliseconds"))
    before = report.last(folder)
    lines = [*report.failed(played), "", *report.table(result, before)]
    print("\n".join(lines))
    if not result.model:
        print("\nThe model never answered: `make doctor` says why.", file=sys.stderr)
        return 2
    print(f"\nmodel {result.model}; kept as {report.keep(folder, result)}")
    if before:
        print(f"compared with {before.at}, {before.model}")
    return 0 if result.total.rate * 100 >= at_least else 1


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(main())
