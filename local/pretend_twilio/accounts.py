"""The account and its numbers, and who may use them."""

from __future__ import annotations

import base64
import binascii
import hashlib
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
    """The endpoint behind Twilio's door: credentials first, then the account in the path."""

    async def guarded(request: Request) -> Response:
        if not may_enter(request.headers.get("authorization", ""), config):
            raise Refusal(20003)
        if request.path_params["account"] != config.account_sid:
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
            Route(f"{base}/IncomingPhoneNumbers.json", for_account(self.config, self.list_numbers)),
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

    async def list_numbers(self, request: Request) -> Response:
        """One page always: nobody rehearses with more than a thousand numbers."""
        wanted = request.query_params.get("PhoneNumber", "").lstrip("+ ")
        # Short codes are another resource at Twilio.
        found = [n for n in self.config.numbers if n.startswith("+") and wanted in n]
        uri = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return JSONResponse(
            {
                "incoming_phone_numbers": [self._number(n) for n in found],
                "page": 0,
                "page_size": 50,
                "start": 0,
                "end": max(len(found) - 1, 0),
                "uri": uri,
                "first_page_uri": uri,
                "next_page_uri": None,
                "previous_page_uri": None,
            }
        )

    def _number(self, number: str) -> dict[str, object]:
        account = self.config.account_sid
        sid = "PN" + hashlib.sha256(number.encode()).hexdigest()[:32]
        return {
            "sid": sid,
            "account_sid": account,
            "friendly_name": number,
            "phone_number": number,
            "capabilities": {"voice": False, "sms": True, "mms": True, "fax": False},
            "sms_url": self.config.webhook_url,
            "sms_method": "POST",
            "sms_fallback_url": "",
            "sms_fallback_method": "POST",
            "sms_application_sid": "",
            "status_callback": "",
            "status_callback_method": "POST",
            "voice_url": "",
            "voice_method": "POST",
            "voice_fallback_url": "",
            "voice_fallback_method": "POST",
            "voice_caller_id_lookup": False,
            "voice_application_sid": "",
            "voice_receive_mode": "voice",
            "trunk_sid": None,
            "address_sid": None,
            "address_requirements": "none",
            "identity_sid": None,
            "bundle_sid": None,
            "emergency_status": "Inactive",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "origin": "twilio",
            "beta": False,
            "status": "in-use",
            "api_version": API_VERSION,
            "date_created": self.created,
            "date_updated": self.created,
            "uri": f"/{API_VERSION}/Accounts/{account}/IncomingPhoneNumbers/{sid}.json",
        }
