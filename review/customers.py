"""Customers by their number: typed in whole, it finds conversations, and no address has it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from connectors.ids import mask
from review import tables
from review.auditing import note
from review.errors import Unusable
from review.filters import MOST_CONVERSATIONS

_s = tables.sessions.c


def whole_number(typed: str) -> str:
    """As Twilio writes it: "+15550109999" for "(555) 010-9999" and other usual ways; without a
    country's code it is North American. Raises Unusable."""
    plain = re.sub(r"[\s().\-/\u2010-\u2015\u00a0]", "", typed.strip().removeprefix("tel:"))
    plain = re.sub(r"^(00|011)(?=[1-9]\d{6})", "+", plain)
    if re.fullmatch(r"1?\d{10}", plain):
        plain = f"+1{plain[-10:]}"
    if not re.fullmatch(r"\+[1-9]\d{6,14}", plain, re.ASCII):
        raise Unusable("That is no whole phone number: try it like +1 555 010 9999.")
    return plain


def find(connection: Connection, typed: str, who: str) -> Sequence[str]:
    """The conversations of the customer with this number, one for each of ours that they texted.

    That somebody looked is on record. Raises Unusable.
    """
    number = whole_number(typed)
    query = (
        sql.select(_s.conversation)
        .where(_s.customer == number)
        .group_by(_s.conversation)
        .order_by(sql.func.max(_s.n).desc())
        .limit(MOST_CONVERSATIONS)
    )
    found = [str(conversation) for conversation in connection.execute(query).scalars()]
    note(connection, who, "looked a number up", details=f"{mask(number)}: {len(found)} found")
    return found
