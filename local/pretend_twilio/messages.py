"""The Messages resource: create, fetch, list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from email.utils import format_datetime
from itertools import dropwhile, islice
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.pretend_twilio import errors
from local.pretend_twilio.accounts import Endpoint, for_account
from local.pretend_twilio.chaos import Chaos
from local.pretend_twilio.config import PretendConfig
from local.pretend_twilio.drafts import Draft, read_draft, refusal_of
from local.pretend_twilio.errors import Refusal, ending_in_words
from local.pretend_twilio.lifecycle import Lifecycle
from local.pretend_twilio.optouts import OptOuts
from local.pretend_twilio.store import Media, Message, Store
from local.pretend_twilio.troubles import Answering
from local.pretend_twilio.webhooks import API_VERSION
from local.pretend_twilio.wires import NoAnswer, Wires

_PAGE_SIZE, _MAX_PAGE_SIZE = 50, 1000
_FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")


class Messages:
    def __init__(
        self,
        config: PretendConfig,
        store: Store,
        optouts: OptOuts,
        lifecycle: Lifecycle,
        chaos: Chaos,
        wires: Wires,
    ) -> None:
        self.config = config
        self.store = store
        self.optouts = optouts
        self.lifecycle = lifecycle
        self.chaos = chaos
        self.wires = wires

    def routes(self) -> list[Route]:
        base = f"/{API_VERSION}/Accounts/{{account}}/Messages"
        list_page, fetch = self._as_chaos_has_it(self.list_page), self._as_chaos_has_it(self.fetch)
        return [
            Route(f"{base}.json", for_account(self.config, self.create), methods=["POST"]),
            Route(f"{base}.json", for_account(self.config, list_page), methods=["GET"]),
            Route(f"{base}/{{sid}}.json", for_account(self.config, fetch)),
            Route(f"{base}/{{sid}}.json", for_account(self.config, self.redact), methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        answering = self.chaos.next_answer()
        draft = read_draft(await request.body())
        if answering.latency_ms:
            # It is taken after the wait, even from somebody who has given up waiting.
            await asyncio.sleep(answering.latency_ms / 1000)
        if not answering.takes:
            return self._troubled(answering, request)
        message = self.store.note(self._take(draft), *answering.words)
        if answering.do:
            return self._troubled(answering, request)
        return JSONResponse(as_resource(message, self.config.account_sid), status_code=201)

    def _take(self, draft: Draft) -> Message:
        code = refusal_of(draft, self.config.numbers)
        if code is None and self.optouts.has(draft.to, draft.sender):
            code = 21610
        if code is not None:
            raise Refusal(code)
        message = Message.outbound(
            self.config.clock(),
            draft.sender,
            draft.to,
            draft.body,
            media=tuple(Media(url, "") for url in draft.media_urls),
            status_callback=draft.status_callback,
        )
        self.lifecycle.begin(self.store.keep(message))
        return message

    def _as_chaos_has_it(self, look_up: Endpoint) -> Endpoint:
        async def troubled(request: Request) -> Response:
            answering = self.chaos.next_lookup()
            if answering.latency_ms:
                await asyncio.sleep(answering.latency_ms / 1000)
            return self._troubled(answering, request) if answering.do else await look_up(request)

        return troubled

    def _troubled(self, answering: Answering, request: Request) -> Response:
        if answering.act in ("hang", "cut"):
            return NoAnswer(self.wires, cut=answering.act == "cut")
        if answering.act == "500":
            return errors.answer(20500, request.url.path)
        too_many = errors.answer(20429, request.url.path)
        too_many.headers["Retry-After"] = str(answering.retry_after_s)
        return too_many

    async def fetch(self, request: Request) -> Response:
        message = self.store.get(request.path_params["sid"])
        if message is None:
            raise Refusal(20404)
        return JSONResponse(as_resource(message, self.config.account_sid))

    async def redact(self, request: Request) -> Response:
        """The words of a message go, the message stays: Twilio takes nothing but an empty body."""
        message = self.store.get(request.path_params["sid"])
        if message is None:
            raise Refusal(20404)
        if parse_qsl((await request.body()).decode(), keep_blank_values=True) != [("Body", "")]:
            raise Refusal(20001)
        empty = self.store.change(message, body="")
        return JSONResponse(as_resource(empty, self.config.account_sid))

    async def list_page(self, request: Request) -> Response:
        query = request.query_params
        size = page_size(query.get("PageSize", ""))
        found = after_token(select(self.store.newest_first(), query), query.get("PageToken"))
        page = list(islice(found, size + 1))  # one more than is shown: is there a next page?
        return JSONResponse(
            {
                **self._page_marks(request, page, size),
                "messages": [as_resource(m, self.config.account_sid) for m in page[:size]],
            }
        )

    def _page_marks(self, request: Request, page: list[Message], size: int) -> dict[str, object]:
        number_now = whole(request.query_params.get("Page", ""), default=0)
        filters = {f: v for f in _FILTERS if (v := request.query_params.get(f))}

        def uri(at: int, **token: str) -> str:
            asked = {**filters, "PageSize": size, "Page": at, **token}
            return f"{request.url.path}?{urlencode(asked)}"

        shown = min(len(page), size)
        more = len(page) > size
        return {
            "page": number_now,
            "page_size": size,
            "start": number_now * size,
            "end": number_now * size + max(shown - 1, 0),
            "first_page_uri": uri(0),
            "previous_page_uri": None,
            "next_page_uri": uri(number_now + 1, PageToken="PA" + page[size - 1].sid)
            if more
            else None,
            "uri": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        }


def as_resource(message: Message, account_sid: str) -> dict[str, object]:
    """The message as Twilio's API shows it: numbers as text, dates as in RFC 2822."""
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{message.sid}"
    return {
        "sid": message.sid,
        "account_sid": account_sid,
        "messaging_service_sid": None,
        "from": message.sender,
        "to": message.to,
        "body": message.body,
        "status": message.status,
        "direction": message.direction,
        "num_segments": str(message.segments),
        "num_media": str(len(message.media)),
        "error_code": message.error_code,
        "error_message": message.error_code and ending_in_words(message.error_code),
        "price": None,
        "price_unit": "USD",
        "date_created": format_datetime(message.created),
        "date_sent": message.sent and format_datetime(message.sent),
        "date_updated": format_datetime(message.updated),
        "api_version": API_VERSION,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def select(messages: Iterable[Message], query: Mapping[str, str]) -> Iterable[Message]:
    """Twilio's filters. A message not sent yet has no date, so no date filter finds it."""
    to, sender = query.get("To"), query.get("From")
    earliest, latest = date_window(query)
    return (
        message
        for message in messages
        if (not to or message.to == to)
        and (not sender or message.sender == sender)
        and was_sent_between(message, earliest, latest)
    )


def was_sent_between(message: Message, earliest: datetime | None, latest: datetime | None) -> bool:
    if earliest is None and latest is None:
        return True
    if message.sent is None:
        return False
    sent = message.sent.replace(microsecond=0)  # Twilio's dates have whole seconds
    return (earliest is None or sent >= earliest) and (latest is None or sent <= latest)


def date_window(query: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """`DateSent` is a whole day in GMT; `DateSent<` and `DateSent>` include their own instant."""
    if query.get("DateSent"):
        midnight = datetime.combine(instant(query["DateSent"]).date(), time(0), timezone.utc)
        return midnight, midnight + timedelta(days=1, seconds=-1)
    earliest, latest = query.get("DateSent>"), query.get("DateSent<")
    return (instant(earliest) if earliest else None, instant(latest) if latest else None)


def instant(text: str) -> datetime:
    """`2026-11-23` or `2026-11-23T10:00:00Z`. Raises Refusal for anything else."""
    try:
        if len(text) == len("2026-11-23"):
            return datetime.combine(date.fromisoformat(text), time(0), timezone.utc)
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise Refusal(20001) from None


def page_size(text: str) -> int:
    return min(max(whole(text, default=_PAGE_SIZE), 1), _MAX_PAGE_SIZE)


def whole(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refusal(20001)
    return int(text)


def after_token(messages: Iterable[Message], token: str | None) -> Iterable[Message]:
    """What follows the last message of the page before, whatever has come in since."""
    if not token:
        return messages
    last_seen = token.removeprefix("PA")
    return islice(dropwhile(lambda m: m.sid != last_seen, messages), 1, None)
