"""The media of messages, as Twilio's API lists and deletes them: they outlive the words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.pretend_twilio.accounts import for_account
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.errors import Refusal
from local.pretend_twilio.store import Media, Message, Store
from local.pretend_twilio.webhooks import API_VERSION


class MediaResource:
    """`GET .../Messages/SID/Media.json`, and `DELETE .../Media/SID.json`."""

    def __init__(self, config: PretendConfig, store: Store) -> None:
        self.config = config
        self.store = store

    def routes(self) -> list[Route]:
        here = f"/{API_VERSION}/Accounts/{{account}}/Messages/{{sid}}/Media"
        account = self.config
        return [
            Route(f"{here}.json", for_account(account, self.list_page)),
            Route(f"{here}/{{medium}}.json", for_account(account, self.delete), methods=["DELETE"]),
        ]

    async def list_page(self, request: Request) -> Response:
        message = self._message(request)
        uri = request.url.path
        marks = {"uri": uri, "first_page_uri": uri, "next_page_uri": None}
        found = [self._as_resource(message, sid, one) for sid, one in _by_sid(message).items()]
        return JSONResponse({**marks, "page": 0, "media_list": found})

    async def delete(self, request: Request) -> Response:
        message = self._message(request)
        left = _by_sid(message)
        if left.pop(request.path_params["medium"], None) is None:
            raise Refusal(20404)
        self.store.change(message, media=tuple(left.values()))
        return Response(status_code=204)

    def _message(self, request: Request) -> Message:
        message = self.store.get(request.path_params["sid"])
        if message is None:
            raise Refusal(20404)
        return message

    def _as_resource(self, message: Message, sid: str, medium: Media) -> Mapping[str, object]:
        account = self.config.account_sid
        uri = f"/{API_VERSION}/Accounts/{account}/Messages/{message.sid}/Media/{sid}.json"
        return {
            **{"sid": sid, "account_sid": account, "parent_sid": message.sid, "uri": uri},
            **{"content_type": medium.content_type, "date_created": None, "date_updated": None},
        }


def _by_sid(message: Message) -> dict[str, Media]:
    return {f"ME{hashlib.sha256(one.url.encode()).hexdigest()[:32]}": one for one in message.media}
