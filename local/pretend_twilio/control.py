"""Chaos mode as JSON: to script it, to set and switch it, to load it, to read what it did."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local.pretend_twilio import ledger
from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.crowd import Crowd
from local.pretend_twilio.errors import Unusable
from local.pretend_twilio.guard import given_json, number_in, only
from local.pretend_twilio.store import Store
from local.pretend_twilio.switches import SWITCHES
from local.pretend_twilio.troubles import KINDS, read_odds, read_script


class Control:
    def __init__(self, chaos: Chaos, store: Store, crowd: Crowd) -> None:
        self.chaos = chaos
        self.store = store
        self.crowd = crowd

    def routes(self) -> list[Route]:
        return [
            Route("/chaos", self.show),
            Route("/chaos", self.calm_down, methods=["DELETE"]),
            Route("/chaos/script", given_json(self.script), methods=["POST"]),
            Route("/chaos/settings", given_json(self.settings), methods=["POST"]),
            Route("/chaos/switches", given_json(self.switches), methods=["POST"]),
            Route("/chaos/load", given_json(self.load), methods=["POST"]),
            Route("/chaos/ledger", self.ledger),
        ]

    async def show(self, request: Request) -> Response:
        return self._state()

    async def calm_down(self, request: Request) -> Response:
        self.chaos.calm_down()
        return self._state()

    async def script(self, given: dict[str, Any]) -> Response:
        only(given, *KINDS)
        self.chaos.add(read_script(given))
        return self._state()

    async def settings(self, given: dict[str, Any]) -> Response:
        only(given, "seed", *KINDS)
        seed = given.get("seed")
        if seed is not None and type(seed) is not int:
            raise Unusable("seed must be a whole number")
        self.chaos.begin(read_odds(given), seed)
        return self._state()

    async def switches(self, given: dict[str, Any]) -> Response:
        only(given, *SWITCHES)
        if not all(isinstance(on, bool) for on in given.values()):
            raise Unusable("a switch is true or false")
        for switch, on in given.items():
            self.chaos.turn(switch, on)
        return self._state()

    async def load(self, given: dict[str, Any]) -> Response:
        return JSONResponse({"texts": await self.crowd.send(given)})

    async def ledger(self, request: Request) -> Response:
        found = ledger.document(
            self.store, number_in(request, "customer"), number_in(request, "number")
        )
        return StreamingResponse(found, media_type="application/json")

    def _state(self) -> Response:
        return JSONResponse(self.chaos.as_json())
