"""Twilio's error codes: those that it answers with, and those that a message ends with later."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

# code: (HTTP status, message)
_REFUSALS = {
    20001: (400, "A parameter is invalid"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20403: (403, "Forbidden"),
    20404: (404, "The requested resource {path} was not found"),
    20429: (429, "Too many requests"),
    20500: (500, "Internal server error"),
    20503: (503, "Service unavailable"),
    21211: (400, "The 'To' number is not a valid phone number"),
    21212: (400, "The 'From' number is not a valid phone number, short code or sender"),
    21266: (400, "'To' and 'From' numbers cannot be the same"),
    21408: (400, "Permission to send to the region of the 'To' number has not been enabled"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' number or a 'MessagingServiceSid' is required to send a message"),
    21604: (400, "A 'To' phone number is required"),
    21606: (400, "The 'From' number is not one that this account can send messages from"),
    21609: (400, "The 'StatusCallback' URL is not a valid fully qualified URL"),
    21610: (400, "Attempt to send to an unsubscribed recipient"),
    21611: (400, "The 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The message cannot be sent with this combination of 'To' and 'From'"),
    21614: (400, "The 'To' number is not a mobile number"),
    21617: (400, "The message body exceeds the limit of 1600 characters"),
    21620: (400, "Invalid media URL"),
    21623: (400, "The number of media files exceeds the limit of 10"),
    21701: (404, "The Messaging Service does not exist"),
    30045: (400, "The 'ValidityPeriod' must be between 1 and 36000 seconds"),
}

# What the phone page says about a message that did not arrive.
_ENDINGS = {
    30003: "the handset cannot be reached",
    30005: "nobody has this number",
    30006: "a landline, or a carrier out of reach",
    30007: "filtered by the carrier",
    30008: "the carrier gave no reason",
    30033: "the campaign is suspended",
    30034: "the business number is not in an approved 10DLC campaign",
}


class Refusal(Exception):
    """A request that Twilio answers with an error. The code says which."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Unusable(ValueError):
    """Posted to the phone or to the chaos, and it makes no sense. The message says why."""


def answer(code: int, path: str) -> JSONResponse:
    """The error as Twilio words it: JSON, the HTTP status repeated inside."""
    status, message = _REFUSALS[code]
    return JSONResponse(
        {
            "code": code,
            "message": message.format(path=path),
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        },
        status_code=status,
        headers={"WWW-Authenticate": 'Basic realm="Twilio API"'} if status == 401 else None,
    )


def ending_in_words(code: int) -> str:
    return _ENDINGS.get(code, "not delivered")


async def on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return answer(error.code, request.url.path)


async def on_unusable(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def on_not_found(request: Request, _: Exception) -> Response:
    return answer(20404, request.url.path)


async def on_wrong_method(request: Request, _: Exception) -> Response:
    return answer(20004, request.url.path)


async def on_crash(request: Request, _: Exception) -> Response:
    return answer(20500, request.url.path)
