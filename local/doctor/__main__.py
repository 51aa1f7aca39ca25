"""`python -m local.doctor [--json]`: a line for each finding; 0 all well, 1 not, 2 settings."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from connectors.errors import SettingsError
from connectors.settings import Settings
from local.doctor import assistants, model, rasa, redis, running, twilio
from local.doctor.finding import Check, Finding

CHECKS = (
    Check("the assistants", assistants.look),
    Check("Redis", redis.look),
    Check("the model", model.look),
    Check("the action server", rasa.look_at_actions),
    Check("PUBLIC_URL", rasa.look_at_public_url),
    Check("the running Rasa", running.look),
    Check("Twilio", twilio.look),
)


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """What each check finds, as soon as it does.

    One after the other: a client that takes its time to be made would use up another's patience.
    """
    yield Finding("Settings", True, "every one of them can be used")
    for check in CHECKS:
        progress(f"looking at {check.about} ...")
        findings = await check.look(settings)
        progress("")
        for finding in findings:
            yield finding


def progress(words: str) -> None:
    """One line that comes and goes, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


async def report(settings: Settings, as_json: bool, out: TextIO) -> bool:
    """Say what was found. Is everything well?"""
    findings = []
    async for finding in examine(settings):
        findings.append(finding)
        if not as_json:
            print(finding, file=out, flush=True)
    well = all(finding.well is not False for finding in findings)
    if as_json:
        print(document(well, findings), file=out)
    return well


def document(well: bool, findings: Sequence[Finding]) -> str:
    return json.dumps({"well": well, "findings": [asdict(f) for f in findings]}, indent=2)


def main(
    arguments: Sequence[str],
    environ: Mapping[str, str] | None = None,
    out: TextIO = sys.stdout,
) -> int:
    as_json = "--json" in arguments
    try:
        settings = Settings.load(environ)
    except SettingsError as error:
        bad = Finding("Settings", False, str(error))
        print(document(False, [bad]) if as_json else error, file=out)
        return 2
    return 0 if asyncio.run(report(settings, as_json, out)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
