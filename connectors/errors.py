"""Errors, one class for each decision that the caller has to make.

SmsError
 +- SettingsError     do not start: the message names every bad setting
 +- AnotherInstallation  do not start, or take nothing: it would be another one's
 +- Unreadable        a signed webhook that cannot be used: answer 400
 +- StoreUnavailable  Redis cannot be asked now: answer 503, or try again later
 +- LeaseLost         somebody else has this conversation now: drop what was done
 +- SessionOver       the session of these texts has ended: nobody is texted any more
 |   +- Stopped       its customer has ended it, which is well: say no more than that
 +- NothingToSay      a turn ended without a reply: try again, then apologise
 +- NotAllowed        the gate refuses: say so to whoever asked, and do not try again
 +- HeldByAnother     an operator has this conversation: leave it to them
 +- NotHeld           the operator does not hold this conversation (any more): take it first
 +- SendRefused       Twilio will never take this message: do not send it again
 +- SendUnavailable   Twilio did not take the message: send it again later
 +- SendUnknown       Twilio may have taken the message: look it up before sending it again
"""


class SmsError(Exception):
    """Whatever this project raises on purpose."""


class SettingsError(SmsError):
    """Settings that nothing can be started with. The message names every one of them."""


class AnotherInstallation(SmsError):
    """Somebody with another database for the session log uses this Redis."""


class Unreadable(SmsError):
    """A signed webhook whose form cannot be used."""


class StoreUnavailable(SmsError):
    """Redis did not answer, or refused to store."""


class LeaseLost(SmsError):
    """The conversation belongs to another worker by now."""


class SessionOver(SmsError):
    """The texts belong to a session that has ended before they were answered."""


class Stopped(SessionOver):
    """The customer opted out while the answer was being made."""


class NothingToSay(SmsError):
    """A turn ended without anything to send, although the assistant is in charge."""


class NotAllowed(SmsError):
    """The gate lets nothing leave. `reason` is for programs, `do` for people."""

    def __init__(self, reason: str, do: str) -> None:
        super().__init__(f"{reason}: {do}")
        self.reason = reason
        self.do = do


class HeldByAnother(SmsError):
    """Another operator has this conversation. `operator` is who."""

    def __init__(self, operator: str) -> None:
        super().__init__(f"{operator} has this conversation")
        self.operator = operator


class NotHeld(SmsError):
    """The operator does not hold this conversation, so nothing was said in their name."""


class SendRefused(SmsError):
    """Twilio will never accept this message.

    `code` is Twilio's error code (docs: errors/CODE), `status` the HTTP status.
    """

    def __init__(self, message: str, *, code: int, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class SendUnavailable(SmsError):
    """Twilio did not take the message. `retry_after` is in seconds, when Twilio named a time."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SendUnknown(SmsError):
    """The connection failed after the request went out: Twilio may have the message.

    `gave_up`: we no longer waited for the answer, so Twilio may also take it a while from now.
    """

    def __init__(self, message: str, *, gave_up: bool = False) -> None:
        super().__init__(message)
        self.gave_up = gave_up
