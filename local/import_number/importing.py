"""Brings a number to us, or sends it back: looks, shows what will change, asks, changes, tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.assistants import Assistants
from connectors.registration import Registration
from connectors.settings import Settings, is_loopback
from connectors.ten_dlc import Verdict, judge
from connectors.twilio_account import TwilioAccount
from connectors.wiring import astray
from local.import_number import plan, record
from local.import_number.plan import ANSWERS, ASSISTANT, Change, Value
from local.import_number.steps import Say, Steps


class Refused(Exception):
    """The number is not imported. The message says why, and what to do."""


def answered(question: str) -> bool:
    """Nobody there is no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


@dataclass(frozen=True)
class Terminal:
    """Where files are, and who is talked to."""

    assistants: Path = field(default_factory=lambda: Settings.load().assistants_folder)
    records: Path = record.FOLDER
    say: Say = print
    ask: Callable[[str], bool] = answered


class Import:
    """One number, in or out."""

    def __init__(
        self,
        number: str,
        assistant: str,
        settings: Settings,
        account: TwilioAccount,
        terminal: Terminal,
    ) -> None:
        self.number = number
        self.assistant = assistant
        self.settings = settings
        self.account = account
        self.terminal = terminal
        self.record = record.Record(number, terminal.records)
        self.steps = Steps(account, number, terminal.assistants, terminal.say)

    async def bring(self, yes: bool) -> None:
        """Raises Refused, SettingsError, and what Twilio raises."""
        public_url = self.settings.twilio.public_url
        self._check_address()
        found = await self._owned()
        planned = self._attachment() + plan.changes(found, public_url)
        if not planned:
            self.terminal.say("Nothing has to be changed.")
        else:
            self._show(planned, plan.warnings(found, planned))
            self._confirm(yes)
            # Before the first step, so that half an import can be undone, too.
            self.record.write(plan.together(self.record.read(), planned))
            await self.steps.make(planned)
            found = await self._owned()
        self._tell(found)

    async def send_back(self, yes: bool) -> None:
        """Raises as `bring`."""
        made = self.record.read()
        if not made:
            raise Refused("There is nothing to undo: no import of this number is on record here.")
        now = plan.state(await self._look()) | self._claims()
        planned = plan.undone(made, now)
        if kept := len(made) - len(planned):
            self.terminal.say(
                f"{kept} of {len(made)} are not as the import left them, and stay so."
            )
        if planned:
            self._show(planned, [])
            self._confirm(yes)
            await self.steps.make(planned)
        self.record.forget()
        self.terminal.say("The import is undone.")

    async def _look(self) -> Registration:
        self.terminal.say("asking Twilio about the number ...")
        return (await self.account.registrations([self.number]))[self.number]

    async def _owned(self) -> Registration:
        found = await self._look()
        if found.owned is None or not found.owned.sends_sms:
            raise Refused(f"This number cannot be imported: {judge(found)}.")
        return found

    def _check_address(self) -> None:
        twilio = self.settings.twilio
        if is_loopback(twilio.public_url) and not is_loopback(twilio.api_base_url or "https://x"):
            raise Refused(
                f"PUBLIC_URL is {twilio.public_url}, which Twilio cannot reach. Set it to the "
                "address of your TLS proxy, and import the number again."
            )

    def _attachment(self) -> list[Change]:
        """The change of the assistants' files. Raises Refused."""
        found = Assistants.load(self.terminal.assistants)
        claims = [each.id for each in found.by_id.values() if self.number in each.numbers]
        if not self.assistant and (claims or self._is_ours_by_default(found)):
            return []
        chosen = self.assistant or (found.default.id if found.default else "")
        if chosen not in found.by_id:
            known = ", ".join(sorted(found.by_id))
            raise Refused(f"Which assistant shall answer it? Say ASSISTANT=, one of: {known}.")
        moved = [Change(ASSISTANT, each, ANSWERS, True, False) for each in claims if each != chosen]
        added = [] if chosen in claims else [Change(ASSISTANT, chosen, ANSWERS, False, True)]
        return moved + added

    def _is_ours_by_default(self, found: Assistants) -> bool:
        return self.number in self.settings.twilio.numbers and found.default is not None

    def _claims(self) -> dict[tuple[str, str, str], Value]:
        found = Assistants.load(self.terminal.assistants).by_id
        return {(ASSISTANT, a.id, ANSWERS): self.number in a.numbers for a in found.values()}

    def _show(self, planned: list[Change], warnings: list[str]) -> None:
        self.terminal.say("This will be changed:")
        for change in planned:
            self.terminal.say(f"  {change}")
        for warning in warnings:
            self.terminal.say(f"Mind: {warning}")

    def _confirm(self, yes: bool) -> None:
        if not yes and not self.terminal.ask("Change it? [y/N] "):
            raise Refused("Nothing was changed.")

    def _tell(self, found: Registration) -> None:
        trouble = astray(found, self.settings.twilio.public_url)
        self.terminal.say(
            f"Texts do not come yet: {trouble}." if trouble else "Texts to it come here."
        )
        standing = judge(found)
        if standing.verdict is not Verdict.APPROVED:
            self.terminal.say(f"Its answers may not arrive: {standing}.")
