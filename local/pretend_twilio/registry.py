"""Messaging Services, their pools and campaigns, and brands: https://messaging.twilio.com/v1."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.pretend_twilio.accounts import Endpoint, for_account
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Refusal
from local.pretend_twilio.guard import given_json
from local.pretend_twilio.papers import Papers, sid

# What an update may change: the name on the wire, the name in the papers.
_WIRING = {"InboundRequestUrl": "inbound_url", "StatusCallback": "status_url"}


class Registry:
    def __init__(self, config: PretendConfig, papers: Papers) -> None:
        self.config = config
        self.papers = papers
        self.created = config.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def routes(self) -> list[Route]:
        def v1(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
            guarded = for_account(self.config, self._as_the_api_fares(endpoint))
            return Route(f"/v1/{path}", guarded, methods=[method])

        return [
            v1("Services", self.services),
            v1("Services/{sid}", self.service),
            v1("Services/{sid}", self.update_service, "POST"),
            v1("Services/{sid}/PhoneNumbers", self.pool),
            v1("Services/{sid}/Compliance/Usa2p", self.campaigns),
            v1("a2p/BrandRegistrations", self.brands),
            v1("a2p/BrandRegistrations/{sid}", self.brand),
            Route("/registration", self.show),
            Route("/registration", self.in_order, methods=["DELETE"]),
            Route("/registration", given_json(self.change), methods=["POST"]),
        ]

    def _as_the_api_fares(self, endpoint: Endpoint) -> Endpoint:
        async def answered(request: Request) -> Response:
            if self.papers.api != "ok":
                raise Refusal({"forbidden": 20403, "down": 20503}[self.papers.api])
            return await endpoint(request)

        return answered

    async def show(self, request: Request) -> Response:
        return JSONResponse(self.papers.as_json())

    async def in_order(self, request: Request) -> Response:
        self.papers.reset()
        return JSONResponse(self.papers.as_json())

    async def change(self, given: dict[str, Any]) -> Response:
        self.papers.change(given)
        return JSONResponse(self.papers.as_json())

    async def services(self, request: Request) -> Response:
        return page(request, "services", [self._service(n) for n in self.papers.in_services()])

    async def service(self, request: Request) -> Response:
        return JSONResponse(self._service(self._number(request, "MG")))

    async def update_service(self, request: Request) -> Response:
        number = self._number(request, "MG")
        given = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        changes: dict[str, Any] = {_WIRING[n]: v for n, v in given.items() if n in _WIRING}
        if "UseInboundWebhookOnNumber" in given:
            changes["defers_to_number"] = given["UseInboundWebhookOnNumber"].lower() == "true"
        self.papers.put(number, dataclasses.replace(self.papers.of(number), **changes))
        return JSONResponse(self._service(number))

    async def pool(self, request: Request) -> Response:
        number = self._number(request, "MG")
        service = sid("MG", number)
        member: dict[str, object] = {
            "sid": sid("PN", number),
            "account_sid": self.config.account_sid,
            "service_sid": service,
            "phone_number": number,
            "country_code": "US",
            "capabilities": ["SMS", "MMS"],
            **self._times(),
            "url": f"{request.base_url}v1/Services/{service}/PhoneNumbers/{sid('PN', number)}",
        }
        return page(request, "phone_numbers", [member])

    async def campaigns(self, request: Request) -> Response:
        number = self._number(request, "MG")
        has_one = bool(self.papers.of(number).campaign)
        return page(request, "compliance", [self._campaign(number)] if has_one else [])

    async def brands(self, request: Request) -> Response:
        return page(request, "data", [self._brand(n) for n in self.papers.in_services()])

    async def brand(self, request: Request) -> Response:
        return JSONResponse(self._brand(self._number(request, "BN")))

    def _number(self, request: Request, kind: str) -> str:
        for number in self.papers.in_services():
            if sid(kind, number) == request.path_params["sid"]:
                return number
        raise Refusal(20404)

    def _times(self) -> dict[str, str]:
        return {"date_created": self.created, "date_updated": self.created}

    def _service(self, number: str) -> dict[str, object]:
        paper = self.papers.of(number)
        return {
            "sid": sid("MG", number),
            "account_sid": self.config.account_sid,
            "friendly_name": f"Pretend service for {number}",
            "inbound_request_url": paper.inbound_url or None,
            "inbound_method": "POST",
            "fallback_url": None,
            "fallback_method": "POST",
            "status_callback": paper.status_url or None,
            "sticky_sender": True,
            "mms_converter": True,
            "smart_encoding": True,
            "fallback_to_long_code": True,
            "area_code_geomatch": True,
            "validity_period": 36000,
            "synchronous_validation": False,
            "scan_message_content": "inherit",
            "usecase": "undeclared",
            "us_app_to_person_registered": paper.campaign == "VERIFIED",
            "use_inbound_webhook_on_number": paper.defers_to_number,
            "links": {},
            **self._times(),
            "url": None,
        }

    def _campaign(self, number: str) -> dict[str, object]:
        paper = self.papers.of(number)
        return {
            "sid": sid("QE", number),
            "account_sid": self.config.account_sid,
            "brand_registration_sid": sid("BN", number),
            "messaging_service_sid": sid("MG", number),
            "description": "A pretend campaign, for rehearsals",
            "message_samples": [],
            "us_app_to_person_usecase": paper.use_case,
            "has_embedded_links": False,
            "has_embedded_phone": False,
            "campaign_status": paper.campaign,
            "campaign_id": "CPRETND",
            "is_externally_registered": False,
            "rate_limits": {
                "att": {"mps": 40, "msg_class": "E"},
                "tmobile": {"brand_tier": "UPPER_MID"},
            },
            "help_message": paper.help_message or None,
            "opt_out_message": paper.opt_out_message or None,
            "opt_in_message": paper.opt_in_message or None,
            "mock": paper.campaign_mock,
            "errors": [
                {"error_code": int(code), "description": words, "fields": [], "url": ""}
                for code, _, words in (error.partition(" ") for error in paper.campaign_errors)
            ],
            **self._times(),
            "url": None,
        }

    def _brand(self, number: str) -> dict[str, object]:
        paper = self.papers.of(number)
        failed = paper.brand == "FAILED"
        return {
            "sid": sid("BN", number),
            "account_sid": self.config.account_sid,
            "customer_profile_bundle_sid": sid("BU", number),
            "a2p_profile_bundle_sid": sid("BU", number),
            "brand_type": "STANDARD",
            "status": paper.brand,
            "tcr_id": "BPRETND",
            "failure_reason": "The EIN does not match the legal name" if failed else None,
            "brand_score": paper.brand_score,
            "brand_feedback": [],
            "identity_status": "VETTED_VERIFIED" if paper.brand == "APPROVED" else "UNVERIFIED",
            "russell_3000": False,
            "government_entity": False,
            "tax_exempt_status": "",
            "skip_automatic_sec_vet": False,
            "mock": False,
            "links": {},
            **self._times(),
            "url": None,
        }


def page(request: Request, key: str, found: list[dict[str, object]]) -> Response:
    """One page always, as v1 resources list things."""
    url = str(request.url)
    marks = {"page": 0, "page_size": 50, "first_page_url": url, "url": url, "key": key}
    meta = {**marks, "previous_page_url": None, "next_page_url": None}
    return JSONResponse({key: found, "meta": meta})
