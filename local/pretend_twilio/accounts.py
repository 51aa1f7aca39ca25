"""The account, and who may use it."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Refusal
from local.pretend_twilio.webhooks import API_VERSION

Endpoint = Callable[[Request], Awaitable[Response]]


def for_account(config: PretendConfig, endpoint: Endpoint) -> Endpoint:
    """The endpoint behind Twilio's door: credentials first, then the account, where the path has
    one."""

    async def guarded(request: Request) -> Response:
        if not may_enter(request.headers.get("authorization", ""), config):
            raise Refusal(20003)
        if request.path_params.get("account", config.account_sid) != config.account_sid:
            raise Refusal(20404)
        return await endpoint(request)

    return guarded


def may_enter(authorization: str, config: PretendConfig) -> bool:
    """Is this the Basic header of the account with one of its tokens, or of its API key?"""
    scheme, _, encoded = authorization.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    pairs = [(config.account_sid, token) for token in config.auth_tokens]
    pairs += [config.api_key] if config.api_key else []
    return scheme.lower() == "basic" and any(
        hmac.compare_digest(given, f"{user}:{password}".encode()) for user, password in pairs
    )


class Accounts:
    """Read-only: `make doctor` looks here."""

    def __init__(self, config: PretendConfig) -> None:
        self.config = config
        self.created = format_datetime(config.clock())

    def routes(self) -> list[Route]:
        base = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            Route(f"{base}.json", for_account(self.config, self.fetch)),
        ]

    async def fetch(self, request: Request) -> Response:
        sid = self.config.account_sid
        uri = f"/{API_VERSION}/Accounts/{sid}"
        return JSONResponse(
            {
                "sid": sid,
                "owner_account_sid": sid,
                "friendly_name": "Pretend account",
                "status": "active",
                "type": "Full",
                "auth_token": "[Redacted]",
                "date_created": self.created,
                "date_updated": self.created,
                "uri": f"{uri}.json",
                "subresource_uris": {
                    "messages": f"{uri}/Messages.json",
                    "incoming_phone_numbers": f"{uri}/IncomingPhoneNumbers.json",
                },
            }
        )
