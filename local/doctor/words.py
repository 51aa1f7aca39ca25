"""Does the assistant answer HELP, STOP and START in the words that were registered? Pure."""

from __future__ import annotations

from connectors.assistant import Assistant
from connectors.registration import Campaign
from local.doctor.finding import Finding

_KEYWORDS = {"help": "HELP", "opted_out": "STOP", "opted_in": "START"}


def compare(about: str, campaign: Campaign, assistant: Assistant) -> Finding:
    """Campaigns may leave the words to Twilio; then there is nothing to compare."""
    registered = {name: _plain(getattr(campaign, name)) for name in _KEYWORDS}
    others = [
        keyword
        for name, keyword in _KEYWORDS.items()
        if registered[name] and registered[name] != _plain(getattr(assistant.texts, name))
    ]
    if others:
        seen = f"{', '.join(others)} are answered in other words than the campaign has"
        mend = f"change `texts` in assistants/{assistant.id}.yml, or the campaign"
        return Finding(about, False, seen, mend)
    seen = "are answered as registered" if any(registered.values()) else "are left to Twilio"
    return Finding(about, True, f"HELP, STOP and START {seen}")


def _plain(text: str) -> str:
    return " ".join(text.split())
