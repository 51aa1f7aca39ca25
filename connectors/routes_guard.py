"""Rasa's HTTP routes that can text somebody: the gate stands before them, and before the tracker.

Rasa fetches, and thereby stores, the tracker first and asks for the channel afterwards; two of the
three routes would then answer 500. They exist with `rasa run --enable-api` only.
"""

from __future__ import annotations

import structlog
from sanic import Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json

from connectors.errors import NotAllowed, StoreUnavailable
from connectors.follow_up import FollowUps, current_follow_up
from connectors.turn import CHANNEL

log = structlog.get_logger(__name__)

# The functions behind the routes, by the name that the route has for people.
_ROUTES = {
    "trigger_intent": "trigger_intent",
    "execute_action": "execute",
    "append_events": "tracker/events",
}
LATEST = "latest"


def guard_routes(app: Sanic, follow_ups: FollowUps) -> None:
    """Answer 403 where the gate lets nothing out, and hand a follow-up on where it does."""

    async def check(request: Request) -> HTTPResponse | None:
        current_follow_up.set(None)  # a connection may bring several requests
        route = _ROUTES.get((request.name or "").rpartition(".")[2])
        if route is None:
            return None
        conversation, who = request.match_info["conversation_id"], f"the API, from {request.ip}"
        try:
            if request.args.get("output_channel") in (CHANNEL, LATEST):
                follow_up = await follow_ups.open(conversation, route, who)
                current_follow_up.set(follow_up)
            elif route != "tracker/events" or "execute_side_effects" in request.args:
                await follow_ups.keep_out(conversation, route, who)
        except NotAllowed as error:
            return json(_refusal(error), 403)
        except StoreUnavailable as error:
            log.error("route.redis_unreachable", reason=str(error))
            return json({"status": "failure", "code": 503, "message": "Redis is away"}, 503)
        return None

    app.register_middleware(check, "request")


def _refusal(error: NotAllowed) -> dict[str, object]:
    """As Rasa words its own errors."""
    return {
        "status": "failure",
        "code": 403,
        "reason": "OnlyCustomersOpenConversations",
        "why": error.reason,
        "message": f"Nothing was sent or stored: {error.reason}. What to do: {error.do}. To test"
        " the assistant without texting anybody, leave output_channel out and use a conversation"
        " id of your own, or `rasa shell`.",
    }
