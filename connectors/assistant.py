"""An assistant: what a business decided in its file (assistants/NAME.yml). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from connectors.hours import Hours

# What a prompt may contain in braces; `{{` is a brace. Texts may have the first two only.
TEXT_VARIABLES = ("business_name", "contact")
PROMPT_VARIABLES = (
    *TEXT_VARIABLES,
    "time",  # 3:07 pm
    "date",  # Monday, 23 November 2026
    "hours",  # Monday to Friday 9:00-18:00, ...
    "open_now",  # open, or closed
    "languages",  # English, Spanish
)


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens."""

    prompt: float = 0.0
    completion: float = 0.0


@dataclass(frozen=True)
class ModelSettings:
    """How a model is asked. Where it is, and its key, are settings (LLM_*)."""

    name: str | None = None  # None: LLM_MODEL
    temperature: float | None = None  # None leaves it to the model's own default
    max_tokens: int = 300
    extra: Mapping[str, Any] = field(default_factory=dict)  # sent along as it is
    prices: Prices | None = None  # None: not known


@dataclass(frozen=True)
class Texts:
    """The sentences that are the same every time.

    The defaults for HELP, STOP and START say what US carriers ask of 10DLC numbers: who texts, how
    often, what it may cost, and how to get out.
    """

    apology: str = "Sorry, I can't answer right now. Please text again in a few minutes."
    # Instead of an answer that could not be sent in time (LATE_REPLY_SECONDS).
    late: str = "Sorry, our answer took too long. Please text again if you still need it."
    help: str = (
        "{business_name}: an automated assistant answers your texts. For a person: {contact}."
        " Message frequency varies. Msg & data rates may apply. Reply STOP to opt out."
    )
    opted_out: str = (
        "{business_name}: you are unsubscribed and will get no more messages from this number."
        " Reply START to resubscribe."
    )
    opted_in: str = (
        "{business_name}: you are subscribed again. Message frequency varies. Msg & data rates may"
        " apply. Reply HELP for help, STOP to opt out."
    )
    more: str = "Reply MORE for the rest."
    no_more: str = "That was all."
    # Instead of an answer that would give the prompt away.
    withheld: str = "I can't share that. What else can I do for you?"
    too_fast: str = "You text faster than I can answer. Please wait a minute and text again."
    too_many: str = "That is all I can answer today. Please text again tomorrow."
    handed_over: str = "I've asked a person to help you. They will answer here."
    no_person: str = "I'm sorry, no person can take over here. I'll do my best to help."
    # Nobody answered in time, and the assistant is back.
    nobody_free: str = "Sorry, nobody is free right now. I'm the automated assistant: can I help?"
    # A person answered, and gave the conversation back.
    handed_back: str = "You are talking to our automated assistant again."


@dataclass(frozen=True)
class Assistant:
    """How one assistant behaves. `id` is its file's name without `.yml`.

    All texts are finished, but the prompt: `prompt_at(now)` fills in its variables.
    """

    id: str
    name: str
    prompt: str
    facts: str = ""  # a part of the prompt that may be told word for word
    numbers: tuple[str, ...] = ()
    default: bool = False
    contact: str = ""
    timezone: str = "UTC"
    languages: tuple[str, ...] = ("en",)
    model: ModelSettings = ModelSettings()
    fallback_model: ModelSettings | None = None  # None: as the first one, but under its own name
    deadline_seconds: float = 20.0
    session_seconds: int | None = None  # None: SESSION_TTL_SECONDS
    history_tokens: int = 3000
    summary_tokens: int = 300  # of older turns; 0: they are forgotten
    segments: int = 3  # of one answer, at most
    emoji: bool = False
    knowledge: str | None = None  # a folder beside the file
    embedding_model: str | None = None  # None: found by its words only
    tools: tuple[str, ...] = ()
    hours: Hours = field(default_factory=Hours)
    hand_over_minutes: int = 15  # how long a customer waits for a person; 0: there is none
    texts: Texts = Texts()
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def prompt_at(self, now: datetime) -> str:
        """What the model is told. `now` is any time with a zone."""
        known = self._variables(now)
        told = (self.prompt.format_map(known), self.facts.format_map(known))
        return "\n".join(filter(None, told))

    def kept_back_at(self, now: datetime) -> str:
        """Of what the model is told, the part that it must not give away."""
        return self.prompt.format_map(self._variables(now))

    def public_at(self, now: datetime) -> str:
        """What customers may be told word for word, wherever it stands."""
        known = self._variables(now)
        return "\n".join([self.facts.format_map(known), *known.values()])

    def _variables(self, now: datetime) -> Mapping[str, str]:
        here = now.astimezone(ZoneInfo(self.timezone))
        return {
            "business_name": self.name,
            "contact": self.contact,
            "time": f"{here:%I:%M} {'am' if here.hour < 12 else 'pm'}".lstrip("0"),
            "date": f"{here:%A}, {here.day} {here:%B %Y}",
            "hours": str(self.hours),
            "open_now": "open" if self.hours.open_at(here) else "closed",
            "languages": ", ".join(map(language_name, self.languages)),
        }

    def finished(self) -> Assistant:
        """With the variables of its texts filled in."""
        known = {"business_name": self.name, "contact": self.contact}
        texts = {name: _without_contact(text, self) for name, text in vars(self.texts).items()}
        return replace(
            self, texts=Texts(**{name: text.format_map(known) for name, text in texts.items()})
        )


def _without_contact(text: str, assistant: Assistant) -> str:
    """The default for HELP names whom to ask, if that is known."""
    return text if assistant.contact else text.replace(" For a person: {contact}.", "")


def unknown_variables(text: str, known: tuple[str, ...]) -> str | None:
    """What is wrong with the braces of a text, or None."""
    try:
        named = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return "a brace that is no variable must be doubled: {{ or }}"
    unknown = [f"{{{name}}}" for name in named if name not in known]
    if not unknown:
        return None
    shown = ", ".join(f"{{{name}}}" for name in known)
    return f"{', '.join(unknown)} is no variable; known are {shown}; a brace is written {{{{"


_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tl": "Tagalog",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def language_name(tag: str) -> str:
    """As a model understands it best; a tag that we have no name for stays a tag."""
    return _LANGUAGES.get(tag.partition("-")[0].lower(), tag)
