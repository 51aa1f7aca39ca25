"""The account's numbers, and where the texts to them go."""

from __future__ import annotations

import dataclasses
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.pretend_twilio.accounts import for_account
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Refusal
from local.pretend_twilio.papers import Papers, sid
from local.pretend_twilio.webhooks import API_VERSION

# What an update may change: the name on the wire, the name in the papers.
_WIRING = {
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsFallbackMethod": "sms_fallback_method",
    "SmsApplicationSid": "sms_application_sid",
}


class Numbers:
    def __init__(self, config: PretendConfig, papers: Papers) -> None:
        self.config = config
        self.papers = papers
        self.created = format_datetime(config.clock())

    def routes(self) -> list[Route]:
        base = f"/{API_VERSION}/Accounts/{{account}}/IncomingPhoneNumbers"
        one = f"{base}/{{sid}}.json"
        return [
            Route(f"{base}.json", for_account(self.config, self.list_numbers)),
            Route(one, for_account(self.config, self.fetch), methods=["GET"]),
            Route(one, for_account(self.config, self.update), methods=["POST"]),
        ]

    async def fetch(self, request: Request) -> Response:
        return JSONResponse(self._number(self._asked_for(request)))

    async def update(self, request: Request) -> Response:
        number = self._asked_for(request)
        given = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        changes: dict[str, Any] = {
            _WIRING[name]: value for name, value in given.items() if name in _WIRING
        }
        self.papers.put(number, dataclasses.replace(self.papers.of(number), **changes))
        return JSONResponse(self._number(number))

    def _asked_for(self, request: Request) -> str:
        for number in self.papers.owned():
            if sid("PN", number) == request.path_params["sid"]:
                return number
        raise Refusal(20404)

    async def list_numbers(self, request: Request) -> Response:
        """One page always: nobody rehearses with more than a thousand numbers."""
        wanted = request.query_params.get("PhoneNumber", "").lstrip("+ ")
        # Short codes are another resource at Twilio.
        found = [n for n in self.papers.owned() if n.startswith("+") and wanted in n]
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
        number_sid, paper = sid("PN", number), self.papers.of(number)
        return {
            "sid": number_sid,
            "account_sid": account,
            "friendly_name": number,
            "phone_number": number,
            "capabilities": {
                "voice": False,
                "sms": paper.sends_sms,
                "mms": paper.sends_sms,
                "fax": False,
            },
            "sms_url": paper.sms_url,
            "sms_method": paper.sms_method,
            "sms_fallback_url": paper.sms_fallback_url,
            "sms_fallback_method": paper.sms_fallback_method,
            "sms_application_sid": paper.sms_application_sid,
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
            "uri": f"/{API_VERSION}/Accounts/{account}/IncomingPhoneNumbers/{number_sid}.json",
        }
