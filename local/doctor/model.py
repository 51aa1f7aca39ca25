"""The language model: does it answer, and how fast?"""

from __future__ import annotations

import time

from actions.model import ModelClient, NoAnswer, Question
from connectors.assistant import ModelSettings
from connectors.settings import Model, Settings
from local.doctor.finding import Finding


async def look(settings: Settings) -> list[Finding]:
    findings = [await answers("Model", settings.model)]
    if settings.fallback_model:
        findings.append(await answers("Fallback model", settings.fallback_model))
    return findings


async def answers(about: str, endpoint: Model) -> Finding:
    """A word from the model is the only proof that address, key and name are right."""
    client, began = ModelClient(endpoint), time.monotonic()
    try:
        answer = await client.ask(
            Question([{"role": "user", "content": "Say hello."}], ModelSettings(max_tokens=20)),
            seconds=20,
        )
    except NoAnswer as failure:
        return Finding(about, False, client.address, failure.advice)
    finally:
        await client.close()
    return Finding(about, True, f"{answer.model} answers in {time.monotonic() - began:.1f} s")
