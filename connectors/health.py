"""Health: would a text be accepted now, and answered?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from connectors.probe import LaneProbe, Probe
from connectors.watchdog import STALLED_SECONDS
from connectors.worker import WorkerHealth

OK, LATE, UNAVAILABLE = "ok", "late", "unavailable"

# A worker takes what is due within a second.
OVERDUE_SECONDS = 15.0
# No turn and no request to Twilio takes so long.
FULL_SECONDS = 300.0

_WHAT = {"inbox": "text", "outbox": "reply"}
# redis' client leaves out the code of some errors.
_WAYS_TO_FAIL = {
    "read only replica": "it is a replica, and takes no writes",
    "READONLY": "it is a replica, and takes no writes",
    "loading the dataset": "it is still loading its data",
    "MASTERDOWN": "it is a replica that has lost its primary",
    "NOREPLICAS": "too few replicas follow it",
    "MISCONF": "it cannot write to its disk",
    "OOM": "its memory is full",
    "maxmemory": "its memory is full",
    "CLUSTERDOWN": "its cluster is down",
}


@dataclass(frozen=True)
class Verdict:
    """`why` has a plain sentence for each thing that is not well."""

    status: str
    why: tuple[str, ...] = ()

    @property
    def http_status(self) -> int:
        """Late is no reason to send texts elsewhere: they are answered, one after another."""
        return 503 if self.status == UNAVAILABLE else 200


def without_redis(reason: str) -> Verdict:
    """`reason` may name hosts, which are no news for strangers."""
    says = next((words for word, words in _WAYS_TO_FAIL.items() if word in reason), "")
    if not says and "refuses" in reason:
        says = "it refuses to store; the log says why"
    seen = f"Redis takes no texts: {says or 'it does not answer'}"
    return Verdict(UNAVAILABLE, (f"{seen}. Texts get 503 until it does.",))


def judge(probe: Probe, workers: Sequence[WorkerHealth], trouble: str = "") -> Verdict:
    """`workers`: of this process; none at a door by itself, which only takes texts in. `trouble` is
    what else keeps texts from being answered."""
    bad = [trouble] if trouble else []
    if probe.log_is_full:
        bad.append(full_log(probe.log_bytes, probe.log_limit_bytes))
    if workers and not probe.opt_outs_known:
        bad.append(
            "Who has opted out is not known, so nothing is sent: it is read from the database at"
            " SESSION_LOG_URL. Is that in reach?"
        )
    lanes = {lane.name: lane for lane in probe.lanes}
    for worker in workers:
        bad += _not_answering(worker, lanes[worker.lane])
    if bad:
        return Verdict(UNAVAILABLE, tuple(bad))
    late = tuple(
        _late(worker, lanes[worker.lane]) for worker in workers if _is_late(lanes[worker.lane])
    )
    return Verdict(LATE, late) if late else Verdict(OK)


def full_log(size: int, limit: int) -> str:
    return (
        f"The session log waits in Redis with {_mb(size)} MB, and {_mb(limit)} MB is the limit"
        " (SESSION_LOG_BACKLOG_MB, or half of Redis' maxmemory): new texts get 503 until the review"
        " app has taken them into its database. Is the review app running, and its database?"
    )


def _not_answering(worker: WorkerHealth, lane: LaneProbe) -> Iterator[str]:
    what, full = _WHAT[worker.lane], worker.in_hand >= worker.slots
    if worker.silent_seconds >= STALLED_SECONDS:
        yield (
            f"The {worker.lane} worker of this process has asked for no {what} for"
            f" {worker.silent_seconds:.0f} s. It is replaced; if that does not help, restart Rasa."
        )
    elif full and worker.full_seconds > FULL_SECONDS:
        yield (
            f"All {worker.slots} slots of the {worker.lane} worker have been taken for"
            f" {worker.full_seconds:.0f} s, and none became free. Restart Rasa."
        )
    elif not full and lane.unmoved_seconds > OVERDUE_SECONDS:
        yield (
            f"The oldest {what} has been due for {lane.oldest_due_seconds:.0f} s, and no worker"
            " takes it. If that lasts, restart Rasa."
        )


def _is_late(lane: LaneProbe) -> bool:
    return lane.oldest_due_seconds > OVERDUE_SECONDS


def _late(worker: WorkerHealth, lane: LaneProbe) -> str:
    return (
        f"The oldest {_WHAT[lane.name]} has been due for {lane.oldest_due_seconds:.0f} s, of"
        f" {lane.due} customers; {worker.in_hand} of {worker.slots} slots of this process are at"
        " work. More processes, or a quicker model, would help."
    )


def _mb(size: int) -> int:
    return round(size / 2**20)


def details(probe: Probe, workers: Sequence[WorkerHealth]) -> dict[str, Any]:
    """What programs may want to draw."""
    lanes = {
        lane.name: {
            "waiting": lane.waiting,
            "due": lane.due,
            "oldest_due_seconds": round(lane.oldest_due_seconds, 3),
        }
        for lane in probe.lanes
    }
    return {
        **lanes,
        "session_log": {
            "records": probe.log_records,
            "bytes": probe.log_bytes,
            "limit_bytes": probe.log_limit_bytes,
            "full": probe.log_is_full,
        },
        "workers": [
            {name: round(v, 1) if isinstance(v, float) else v for name, v in asdict(each).items()}
            for each in workers
        ],
    }
