"""The account at Twilio: its numbers, and their Messaging Services, campaigns and brands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from twilio.base.exceptions import TwilioRestException

from connectors.registration import Brand, Campaign, OwnedNumber, Registration, Service
from connectors.twilio_client import TwilioClient

PAGE = 1000


class TwilioAccount:
    """Reads, and rewires numbers. Everything here raises as `TwilioClient.call` does."""

    def __init__(self, client: TwilioClient) -> None:
        self.client = client
        self.rest = client.rest

    async def status(self) -> str:
        """The account's status word ("active")."""
        account = await self.client.call(self.rest.api.accounts(self.rest.account_sid).fetch_async)
        return str(account.status)

    async def registrations(self, numbers: Iterable[str]) -> dict[str, Registration]:
        """What Twilio knows about each of the numbers: E.164, or short codes."""
        return await self.client.call(lambda: self._registrations(tuple(numbers)))

    async def wire_number(self, sid: str, fields: Mapping[str, str]) -> None:
        """Change a number. `fields` as `IncomingPhoneNumber.update` names them."""
        await self.client.call(lambda: self.rest.incoming_phone_numbers(sid).update_async(**fields))

    async def wire_service(self, sid: str, fields: Mapping[str, str | bool]) -> None:
        """Change a Messaging Service. `fields` as `Service.update` names them."""
        await self.client.call(lambda: self.rest.messaging.v1.services(sid).update_async(**fields))

    async def _registrations(self, numbers: tuple[str, ...]) -> dict[str, Registration]:
        found = {number: Registration(number, await self._owned(number)) for number in numbers}
        pools = await self._pools({r.owned.sid for r in found.values() if r.owned})
        brands: dict[str, Brand | None] = {}
        for number, registration in found.items():
            service = pools.get(registration.owned.sid) if registration.owned else None
            if service:
                campaigns = await self._campaigns(service.sid)
                chained = replace(registration, service=service, campaigns=campaigns)
                brand = await self._brand_of(chained.campaign, brands)
                found[number] = replace(chained, brand=brand)
        return found

    async def _owned(self, number: str) -> OwnedNumber | None:
        if not number.startswith("+"):
            return None  # a short code: another resource, and judged by its looks
        # The filter matches parts of numbers, too.
        owned = self.rest.incoming_phone_numbers
        for found in await owned.list_async(phone_number=number, limit=PAGE):
            if found.phone_number == number:
                return _number(found)
        return None

    async def _pools(self, wanted: set[str]) -> dict[str, Service]:
        """Number SID to the Messaging Service that it is in. A number is in one at most."""
        pools: dict[str, Service] = {}
        async for service in await self.rest.messaging.v1.services.stream_async(page_size=PAGE):
            if not wanted - pools.keys():
                break
            members = {n.sid for n in await self._pool(service.sid)}
            pools |= {sid: _service(service, len(members)) for sid in wanted & members}
        return pools

    async def _pool(self, service_sid: str) -> list[Any]:
        service = self.rest.messaging.v1.services(service_sid)
        pool: list[Any] = await service.phone_numbers.list_async(page_size=PAGE)
        return pool

    async def _campaigns(self, service_sid: str) -> tuple[Campaign, ...]:
        service = self.rest.messaging.v1.services(service_sid)
        campaigns = await service.us_app_to_person.list_async(limit=PAGE)
        return tuple(_campaign(found) for found in campaigns)

    async def _brand_of(
        self, campaign: Campaign | None, known: dict[str, Brand | None]
    ) -> Brand | None:
        if campaign is None:
            return None
        if campaign.brand_sid not in known:
            known[campaign.brand_sid] = await self._brand(campaign.brand_sid)
        return known[campaign.brand_sid]

    async def _brand(self, sid: str) -> Brand | None:
        try:
            return _brand(await self.rest.messaging.v1.brand_registrations(sid).fetch_async())
        except TwilioRestException as error:
            # A restricted key, or a brand that belongs to the parent of this account.
            if error.status in (401, 403, 404):
                return None
            raise


def _number(found: Any) -> OwnedNumber:
    return OwnedNumber(
        sid=str(found.sid),
        number=str(found.phone_number),
        sends_sms=bool((found.capabilities or {}).get("sms")),
        sms_url=found.sms_url or "",
        sms_method=found.sms_method or "POST",
        sms_fallback_url=found.sms_fallback_url or "",
        sms_fallback_method=found.sms_fallback_method or "POST",
        sms_application_sid=found.sms_application_sid or "",
    )


def _service(found: Any, numbers: int) -> Service:
    return Service(
        sid=str(found.sid),
        name=found.friendly_name or "",
        defers_to_number=bool(found.use_inbound_webhook_on_number),
        inbound_url=found.inbound_request_url or "",
        status_url=found.status_callback or "",
        numbers=numbers,
    )


def _campaign(found: Any) -> Campaign:
    limits = _object(found.rate_limits)
    att, tmobile = _object(limits.get("att")), _object(limits.get("tmobile"))
    return Campaign(
        sid=str(found.sid),
        brand_sid=str(found.brand_registration_sid),
        status=found.campaign_status or "",
        use_case=found.us_app_to_person_usecase or "",
        mock=bool(found.mock),
        errors=tuple(_error(error) for error in found.errors or ()),
        att_class=str(att.get("msg_class") or ""),
        tmobile_tier=str(tmobile.get("brand_tier") or ""),
        help=found.help_message or "",
        opted_out=found.opt_out_message or "",
        opted_in=found.opt_in_message or "",
    )


def _brand(found: Any) -> Brand:
    return Brand(
        sid=str(found.sid),
        status=str(found.status or ""),
        type=found.brand_type or "",
        score=found.brand_score,
        mock=bool(found.mock),
        failure=found.failure_reason or "",
    )


def _object(given: Any) -> Mapping[str, Any]:
    """Carriers fill these in as they like."""
    return given if isinstance(given, Mapping) else {}


def _error(error: Any) -> str:
    """`{"error_code": 30896, "description": "...", "fields": [...]}` in one line."""
    if not isinstance(error, Mapping):
        return str(error)
    code, description = error.get("error_code"), error.get("description")
    return " ".join(str(part) for part in (code, description) if part)
