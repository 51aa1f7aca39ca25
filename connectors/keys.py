"""The names of everything we keep in Redis. Pure; conversations appear by their opaque id only."""

from __future__ import annotations

ID_KEY = "sms:id-key"  # made up once; what conversation ids are keyed with
SERVER = "sms:server"  # hash: which server wrote here last, and since when; see lua/greet.lua
RECONCILED_FIRST = "sms:reconciled:first"  # when we first looked for texts that we missed,
RECONCILED_LAST = "sms:reconciled:last"  # and last, in seconds
DEAD_LETTERS = "sms:dead-letters"  # list: texts that got a plain sentence, oldest first
LOG = "sms:log"  # stream: the session log, until it is in SQL; see session_log
CONSENT_LOG = "sms:log:consent"  # stream: changes of consent, until they are in SQL
# Which database the session log goes to, while anybody is there; and which it was last.
SESSION_LOG_HOLDER = "sms:session-log:holder"
SESSION_LOG_LAST = "sms:session-log:last"
TEN_DLC_ASKED = "sms:ten-dlc:asked"  # while it is there, nobody need ask Twilio
SESSION_ENDS = "sms:sessions"  # sorted set: conversations by the millisecond their session ends at
SESSION_IDS = "sms:sessions:ids"  # hash: conversation to the id of its last session
# Hash without an end: conversation to its word in the ledger, see consent; CONVERSATION:at to the
# millisecond of that; and "whole" to the id key under which it is known to be complete.
CONSENT = "sms:consent"
DAY_PREFIX = "sms:day:"  # and the day since 1970; hash: segments, refused:REASON
SUMMARIES = "summaries"  # the lane of sessions whose summary is due
DESK = "sms:desk"  # sorted set: conversations with a person, by when an answer is due; see handover
FENCE = "sms:fence"  # counts claims: a later holder has the higher number

MOST_DEAD_LETTERS = 1_000  # the oldest go first

# How long things are remembered, in seconds.
SEEN_SECONDS = 72 * 3600  # a MessageSid; Twilio's own retries end after seconds, replays do not
DAY_SECONDS = 3 * 86_400  # the counts of a day
TEN_DLC_SECONDS = 2 * 86_400  # what we know of a number; twice as long as it is believed
MESSAGE_SECONDS = 72 * 3600  # a sent message; carriers report for up to two days


def seen(message_sid: str) -> str:
    return f"sms:seen:{message_sid}"


def message(message_sid: str) -> str:
    """Hash: status, rank, error_code, part; doubles: the SID that the same part had before."""
    return f"sms:message:{message_sid}"


def ten_dlc(number_id: str) -> str:
    """Hash: registration, a standing as JSON; flag:CODE, when a delivery report had this code."""
    return f"sms:ten-dlc:of:{number_id}"


def filtered(number_id: str) -> str:
    """Hash: reports on texts from a number since one was filtered, and how many of them were."""
    return f"sms:filtered:{number_id}"


def part_sid(part_id: str) -> str:
    """The SID that a delivery report gave for a part."""
    return f"sms:part:{part_id}"


def free_again(number_id: str) -> str:
    """The millisecond from which on a number of ours may send again, by its own limit."""
    return f"sms:pace:{number_id}"


def place(part_id: str) -> str:
    """The millisecond at which a part may leave, while it waits for it."""
    return f"sms:pace:of:{part_id}"


def limits(conversation: str) -> str:
    """Hash: how much a customer texted lately (lua/accept.lua), and was sent (lua/settle.lua)."""
    return f"sms:limits:{conversation}"


def session(conversation: str) -> str:
    """Hash: id, opened_ms, business, customer, assistant.

    awaited, awaited_until: the SID whose report the next part waits for; left_open: see left_open;
    summary: see transcript; snapshot, snapshot_at, next, next_at: see window; desk, desk_by,
    desk_since, desk_reason: see handover.
    """
    return f"session:{conversation}"


def events(conversation: str) -> str:
    """List: the session's Rasa events, oldest first, one JSON object each."""
    return f"session:{conversation}:events"


def said(conversation: str) -> str:
    """List: what was said in the session and is not in its summary yet; see transcript."""
    return f"session:{conversation}:said"


def lane(name: str) -> str:
    """Sorted set: conversations by the millisecond at which they are due."""
    return f"sms:{name}"


def lane_items(name: str, conversation: str) -> str:
    """List: what waits for one conversation, oldest first."""
    return f"{lane_items_prefix(name)}{conversation}"


def lane_items_prefix(name: str) -> str:
    return f"sms:{name}:of:"


def lane_leases(name: str) -> str:
    """Hash: conversation to the fence number of who holds it."""
    return f"sms:{name}:leases"


def lane_tries(name: str) -> str:
    """Hash: conversation to how often it was claimed since it last succeeded."""
    return f"sms:{name}:tries"


def lane_wake(name: str) -> str:
    """Channel: something is due earlier than was known."""
    return f"sms:{name}:wake"


def lane_freed(name: str, conversation: str) -> str:
    """Channel: whoever held the conversation does not any more."""
    return f"{lane_wake(name)}:{conversation}"
