"""Errors of the review app, one class for each decision that the caller has to make.

connectors.errors.SmsError
 +- Unusable             what was asked for cannot be done: answer 422, the message says why
 |   +- NotAtTwilio      Twilio still has some of it, so nothing else was deleted: try again
 +- NotThere             no such session, message, tag: answer 404
 +- BadFilter            the address asks for something that cannot be meant: answer 400
 +- NotSignedIn          wrong name or password, and nobody says which: answer 403
 +- TooManyTries         wait some minutes, whether the password is right or not: answer 429
 +- DatabaseUnavailable  SQL cannot be asked now: answer 503, or try again later
 +- BadRecord            an entry that does not say what it should: keep it apart, and go on
"""

from __future__ import annotations

from connectors.errors import SmsError


class Unusable(SmsError):
    """What was asked for cannot be done: the message says why."""


class NotAtTwilio(Unusable):
    """Twilio still has some of it, so nothing else was deleted: try again."""


class NotThere(SmsError):
    """No such session, message, tag."""


class BadFilter(SmsError):
    """The address asks for something that cannot be meant."""


class NotSignedIn(SmsError):
    """Wrong name or password, and nobody says which."""


class TooManyTries(SmsError):
    """Wait some minutes, whether the password is right or not."""


class DatabaseUnavailable(SmsError):
    """SQL cannot be asked now."""


class BadRecord(SmsError):
    """An entry of the stream that does not say what it should."""
