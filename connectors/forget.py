"""Forgetting: what Redis has of a conversation goes, in one atomic step.

The session ends with it. Who has something of it in hand loses the lease: what they write no longer
counts, and a text that comes right after is claimed by itself. Whether the customer opted out stays
known.
"""

from __future__ import annotations

from connectors import keys
from connectors.lanes import Lane
from connectors.session_life import session_keys
from connectors.store import Store


async def forget(store: Store, conversation: str) -> str:
    """The id of the session log's last entry: all that was said before has been forgotten.

    Raises StoreUnavailable.
    """
    inbox, outbox = Lane(store, "inbox", batch=1), Lane(store, "outbox", batch=1)
    names = [
        *session_keys(conversation),
        *(inbox.items(conversation), inbox.due),
        *(outbox.items(conversation), outbox.due),
        *(keys.DEAD_LETTERS, keys.limits(conversation), keys.DESK),
        *(inbox.leases, inbox.tries, outbox.leases, outbox.tries),
    ]
    return str(await store.step("forget", names, [conversation]))
