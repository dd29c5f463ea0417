"""The worker registry: who is connected, under which name (core.md §3.4, §8.3)."""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Callable
from typing import Annotated, Final, NamedTuple

import msgspec

from iii_actors.actor import handles
from iii_actors.clock import Clock
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    AddBuiltin,
    Describe,
    FindPredecessor,
    FindWorker,
    Join,
    Leave,
    ListWorkers,
    RemoveBuiltin,
    TearDown,
    WorkerEvent,
)
from iii_actors.core.observing import Noticed, Observed
from iii_actors.core.queries import CountWorkers, FindWorkers, WatchWorkers, WorkersCounted
from iii_actors.core.watchers import Watchers
from iii_actors.limits import NAME_CHARS
from iii_actors.wire import messages as wire

__all__ = ["Departure", "Telemetry", "WorkerDetails", "WorkerRecord", "Workers", "sanitised"]

logger = logging.getLogger(__name__)

CONFLICT: Final = "WORKER_NAMESPACE_CONFLICT"
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def sanitised(text: str | None) -> str | None:
    """Return a name or description as it is stored; None when nothing is left (core.md §3.3)."""
    if text is None:
        return None
    return _UNPRINTABLE.sub("", text)[:NAME_CHARS].strip() or None


class Telemetry(msgspec.Struct, frozen=True):
    """What a worker says of its surroundings; kept here, sent nowhere."""

    language: str | None = None
    project_name: str | None = None
    framework: str | None = None


class WorkerDetails(msgspec.Struct, frozen=True):
    """What a worker tells of itself; unknown members are ignored."""

    name: str | None = None
    description: str | None = None
    runtime: str | None = None
    version: str | None = None
    telemetry: Telemetry | None = None
    os: str | None = None
    pid: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)] | None = None
    isolation: str | None = None
    namespace: str | None = None


class WorkerRecord(msgspec.Struct, frozen=True):
    """One worker, as everybody may see it (the reattach token is not in it)."""

    worker_id: str
    connected_at: float
    """Seconds since the epoch."""
    namespace: str = DEFAULT_NAMESPACE
    name: str | None = None
    description: str | None = None
    runtime: str | None = None
    version: str | None = None
    telemetry: Telemetry | None = None
    os: str | None = None
    pid: int | None = None
    isolation: str | None = None
    ip_address: str | None = None
    status: str = "connected"
    in_process: bool = False
    always_on: bool = False
    """A built-in worker that every engine has."""


class Departure:
    """One connection's leaving: it runs exactly once, and whoever else wants it waits for its end (core.md §3.6)."""

    def __init__(self, cut: Callable[[], None], clean_up: Callable[[], None]) -> None:
        self._cut = cut
        self._clean_up = clean_up
        self._begun = threading.Lock()
        self._done = threading.Event()

    def run(self) -> None:
        """Clean up, or wait until another thread has. Runs on a thread that may wait."""
        if self._begun.acquire(blocking=False):
            try:
                self._clean_up()
            finally:
                self._done.set()
        else:
            self._done.wait()

    def evict(self, wait_s: float) -> None:
        """Stop the connection's reading, then see that it is cleaned up, by its own thread or by this one."""
        self._cut()
        if not self._done.wait(wait_s):
            self.run()


class _Seat(NamedTuple):
    """What the registry keeps beside the public record."""

    reattach_token: str
    departure: Departure


class Workers(Observed):
    """Owns the records and the name leases ``(namespace, name)``."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._records: dict[str, WorkerRecord] = {}
        self._seats: dict[str, _Seat] = {}
        self._leases: dict[tuple[str, str], str] = {}
        self._leases_of: dict[str, tuple[str, str]] = {}
        self._leaving: dict[str, float] = {}
        """Who leaves, and since when on the monotonic clock."""
        self._joined = 0
        self._left = 0
        self._watchers = Watchers()

    @handles(WatchWorkers)
    def watch(self, request: WatchWorkers) -> None:
        self._watchers.add(request.watcher)

    @handles(Join)
    def join(self, request: Join) -> WorkerRecord:
        record = WorkerRecord(request.worker_id, self._clock.now(), ip_address=request.ip_address)
        self._records[request.worker_id] = record
        self._seats[request.worker_id] = _Seat(request.reattach_token, request.eviction)
        self._joined += 1
        if self._looked_on():
            peer = (("network.peer.address", request.ip_address or ""),)
            self._notice(Noticed("connect worker", request.worker_id, request.worker_id, peer))
        return record

    @handles(Describe)
    def describe(self, request: Describe) -> wire.RegistrationRejected | None:
        """Claim the name, then store what the worker says of itself; a conflict changes nothing."""
        rejected = self._describe(request)
        if self._looked_on():
            worker_id, namespace, details = request
            told = (("iii.worker.name", details.name or ""), ("iii.namespace", namespace))
            code = rejected.code if rejected is not None else None
            self._notice(Noticed("register worker", details.name or worker_id, worker_id, told, code))
        return rejected

    def _describe(self, request: Describe) -> wire.RegistrationRejected | None:
        worker_id, namespace, details = request
        record = self._records.get(worker_id)
        if record is None or worker_id in self._leaving:
            return wire.RegistrationRejected(CONFLICT, namespace, "", worker_name=details.name or "")
        name = sanitised(details.name) or record.name
        if name is not None:
            owner = self._leases.get((namespace, name))
            if owner is not None and owner != worker_id and owner not in self._leaving:
                return wire.RegistrationRejected(CONFLICT, namespace, owner, worker_name=name)
            self._release(worker_id)
            self._leases[namespace, name] = worker_id
            self._leases_of[worker_id] = (namespace, name)
        self._records[worker_id] = msgspec.structs.replace(
            record,
            namespace=namespace,
            name=name,
            description=sanitised(details.description) or record.description,
            runtime=details.runtime or "unknown",
            version=details.version,
            telemetry=details.telemetry,
            os=details.os or record.os,
            pid=details.pid if details.pid is not None else record.pid,
            isolation=details.isolation or record.isolation,
        )
        return None

    @handles(WorkerEvent)
    def announce(self, event: WorkerEvent) -> None:
        """Pass on an event whose moment only the connection knows."""
        self._tell(event.event, event.worker_id)

    @handles(TearDown)
    def tear_down(self, request: TearDown) -> None:
        if request.worker_id in self._records:
            self._leaving.setdefault(request.worker_id, self._clock.monotonic())

    @handles(Leave)
    def leave(self, request: Leave) -> None:
        if self._records.pop(request.worker_id, None) is None:
            return
        self._seats.pop(request.worker_id, None)
        self._release(request.worker_id)
        self._left += 1
        since = self._leaving.pop(request.worker_id, None)
        if self._looked_on():
            lasted = self._clock.monotonic() - since if since is not None else 0.0
            self._notice(Noticed("clean up worker", request.worker_id, request.worker_id, lasted_s=lasted))
        self._tell("worker_disconnected", request.worker_id)

    def _release(self, worker_id: str) -> None:
        lease = self._leases_of.pop(worker_id, None)
        if lease is not None and self._leases.get(lease) == worker_id:
            del self._leases[lease]

    @handles(FindPredecessor)
    def find_predecessor(self, request: FindPredecessor) -> Departure | None:
        """Check a ``reattach`` (core.md §3.5); whatever is wrong with it, it is only ignored."""
        seat = self._seats.get(request.previous_worker_id)
        if seat is None or request.previous_worker_id == request.worker_id:
            return None
        given = (request.reattach_token or "").encode()
        return seat.departure if secrets.compare_digest(seat.reattach_token.encode(), given) else None

    @handles(AddBuiltin)
    def add_builtin(self, request: AddBuiltin) -> None:
        self._records[request.record.worker_id] = request.record

    @handles(RemoveBuiltin)
    def remove_builtin(self, request: RemoveBuiltin) -> None:
        self._records.pop(request.worker_id, None)

    @handles(CountWorkers)
    def count(self, _: CountWorkers) -> WorkersCounted:
        by_status: dict[str, int] = {}
        for record in self._records.values():
            if not record.in_process:
                by_status[record.status] = by_status.get(record.status, 0) + 1
        return WorkersCounted(self._joined, self._left, by_status)

    @handles(ListWorkers)
    def list_all(self, _: ListWorkers) -> list[WorkerRecord]:
        return list(self._records.values())

    @handles(FindWorker)
    def find(self, query: FindWorker) -> WorkerRecord | None:
        return self._records.get(query.worker_id)

    @handles(FindWorkers)
    def find_all(self, query: FindWorkers) -> dict[str, WorkerRecord]:
        records = self._records
        return {worker_id: records[worker_id] for worker_id in query.worker_ids if worker_id in records}

    def _tell(self, event: str, worker_id: str) -> None:
        self._watchers.tell(WorkerEvent(event, worker_id))
