"""What Twilio's error codes and statuses mean, in words for who reads a session. Pure."""

from __future__ import annotations

ERRORS = {
    "21211": "that is no phone number",
    "21408": "our account may not text that country",
    "21606": "our number cannot send texts",
    "21610": "the customer opted out at Twilio",
    "21611": "too many messages wait at this number",
    "21612": "Twilio has no way from our number to this one",
    "21614": "that is no mobile number",
    "21617": "the message was too long",
    "30001": "Twilio's queue for our number overflowed",
    "30002": "our Twilio account is suspended",
    "30003": "the phone is off, out of reach, or no longer in use",
    "30004": "the carrier or the phone blocks our messages",
    "30005": "the number is unknown, or no longer in use",
    "30006": "a landline, or a carrier that cannot be reached",
    "30007": "the carrier took it for spam",
    "30008": "the carrier did not say why",
    "30010": "it would have cost more than we allow",
    "30032": "the toll-free number is not verified",
    "30033": "the campaign is suspended",
    "30034": "our number is not registered for 10DLC",
    "30035": "our number is still being set up for 10DLC",
    "30036": "it waited longer than it was of use",
    "30450": "Twilio's guard against pumping fraud stopped it",
}
STATUSES = {
    "waiting": "waits to be sent",
    "accepted": "Twilio has it",
    "queued": "waits at Twilio",
    "sending": "Twilio is sending it",
    "sent": "the carrier has it",
    "delivered": "arrived",
    "read": "was read",
    "undelivered": "did not arrive",
    "failed": "could not be sent",
    "dropped": "will never be sent",
    "refused": "was not allowed to be sent",
    "canceled": "was called off",
}


def error_words(code: str) -> str:
    """ "" for no error."""
    return f"{ERRORS.get(code, 'Twilio has a page on it')} (error {code})" if code else ""


def status_words(status: str) -> str:
    return STATUSES.get(status, status)
