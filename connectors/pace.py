"""The pace of our own numbers: SEGMENTS_PER_SECOND, shared by every process on one Redis."""

from __future__ import annotations

from math import ceil

from connectors import keys
from connectors.ids import number_id
from connectors.part import Part
from connectors.segments import count
from connectors.store import Store


class Pace:
    """Gives each part its place in the timetable of its number. None: everything may leave."""

    def __init__(self, store: Store, segments_per_second: float | None) -> None:
        self.store = store
        self.segments_per_second = segments_per_second

    async def wait_for(self, part: Part, at_most_seconds: float) -> float | None:
        """Seconds until the part may leave; None if that is more than it can wait.

        Its place is kept until then; at 0 it is used up. Raises StoreUnavailable.
        """
        if self.segments_per_second is None:
            return 0.0
        takes_ms = ceil(count(part.body).segments * 1000 / self.segments_per_second)
        number = number_id(await self.store.id_key(), part.business)
        wait_ms = await self.store.step(
            "pace",
            [keys.free_again(number), keys.place(part.id)],
            [takes_ms, max(int(at_most_seconds * 1000), 0)],
        )
        return None if wait_ms < 0 else wait_ms / 1000
