"""Queues in Redis, shared by all engines on it, as lasting as that Redis is (:mod:`.redis_layout`: what lies where).

Two threads: one carries operations, all that wait in one round trip; the other hears that there is something to take.
What is in flight is an entry of the queue's stream, and in the hands of one engine by its consumer group. Every engine
renews that of its own all the time; what was not renewed for as long as the lease lasts belongs to a dead engine and is
delivered again, by whichever engine looks next.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import pykka
from msgspec.msgpack import Decoder
from redis import RedisError

from iii_actors.actor import MailboxFull, Ref, launch
from iii_actors.brokers.contract import Abilities, Broker, Delivery, Done, Sink
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable, QueueNotFound, Unsupported
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, Outcome, Put, QueueSpec, Selection
from iii_actors.brokers.redis_carrier import Carrier
from iii_actors.brokers.redis_layout import (
    NAMES,
    NOW,
    Shown,
    counts_of,
    failures_after,
    meta_key,
    read_spec,
    spec_words,
    wake_channel,
)
from iii_actors.brokers.redis_link import Link, check_server
from iii_actors.brokers.redis_requests import Ask, Local, PutJobs, Request, Settle
from iii_actors.brokers.redis_steps import Edit, Move, Paged, read_list, read_shown
from iii_actors.brokers.redis_time import CommonTime
from iii_actors.brokers.redis_wakes import Listen, Wakes
from iii_actors.clock import Clock
from iii_actors.errors import ConfigError, EngineError
from iii_actors.limits import (
    QUEUE_CLOSE_S,
    QUEUE_LEASE_LEAST_MS,
    QUEUE_LEASE_MS,
    QUEUE_WAITING,
    QUEUE_WAITING_BYTES,
    REDIS_SCAN,
)
from iii_actors.storage.redis_client import connect, without_password

__all__ = ["RedisBroker"]

logger = logging.getLogger(__name__)

_any: Final = Decoder().decode


class RedisBroker(Broker):
    """Queues in one Redis, of version 6.2 or later; not a cluster.

    While Redis is away, what is stored or asked is answered with ``BrokerUnavailable``, after at most twice
    :data:`~iii_actors.limits.REDIS_WAIT_S`; how deliveries have ended is told Redis when it is back. What Redis has
    lost by then is lost, but queues that were declared are made again.

    :param lease_ms: for how long an engine keeps its jobs in flight after it was last heard of.
    :param worker_id: the built-in worker's id, for errors.
    """

    kind = "redis"
    abilities = Abilities(shared=True, durable=True)

    def __init__(
        self, url: str, clock: Clock, lease_ms: int = QUEUE_LEASE_MS, worker_id: str = "iii-queue"
    ) -> None:  # fmt: skip
        self._url = url
        self._place = without_password(url)
        self._clock = clock
        self._lease_s = max(lease_ms, QUEUE_LEASE_LEAST_MS) / 1000
        self._worker_id = worker_id
        self._engine: Final = str(uuid.uuid4())
        self._client: Any = None
        self._carrier_actor: Carrier | None = None
        self._carrier: Ref
        self._wakes: Ref
        self._open = False
        self._giving = threading.Lock()
        self._given = 0
        self._given_bytes = 0

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        self._client = connect(self._url, self._worker_id)
        link, wakes = Link(self._client), None
        try:
            check_server(self._client, self._place, self._worker_id)
            specs = self._found()
            latest_ms = int(self._client.get(NOW) or 0)
            time = CommonTime(self._clock, latest_ms)
            carrier = Carrier(link, self._engine, self._place, self._clock, self._lease_s, time)
            for queue, spec in specs.items():
                carrier.line(queue).spec = spec
            wakes = Wakes(self._client, self._engine, self._clock, self._wake)
            wakes.connect()
            carrier.begin(link.connect())
        except (RedisError, OSError) as error:
            link.close()
            if wakes is not None:
                wakes.hang_up()
            self._client.close()
            raise ConfigError(
                f"failed to create worker '{self._worker_id}'",
                f"the Redis at {self._place} does not do what is asked of it: {error}",
                "look into its log, correct redis_url, or use the adapter builtin",
            ) from None
        except ConfigError:
            self._client.close()
            raise
        self._carrier_actor = carrier
        self._carrier = launch(carrier)
        self._wakes = launch(wakes)
        self._open = True
        self._wakes.tell(Listen())

    def _found(self) -> dict[str, QueueSpec | None]:
        """Return the queues that there are."""
        names = sorted(name.decode("utf-8", "replace") for name in self._client.smembers(NAMES))
        specs: dict[str, QueueSpec | None] = {}
        for at in range(0, len(names), REDIS_SCAN):
            page = names[at : at + REDIS_SCAN]
            pipeline = self._client.pipeline(transaction=False)
            for name in page:
                pipeline.hget(meta_key(name), "spec")
            for name, text in zip(page, pipeline.execute(), strict=True):
                specs[name] = read_spec(text) if text is not None else None
        return specs

    def close(self) -> None:
        with self._giving:
            was_open, self._open = self._open, False
        if not was_open:
            return
        self._wakes.stop(block=False)
        with contextlib.suppress(RedisError, OSError):
            self._client.publish(wake_channel(self._engine), "")  # ends the listener's wait
        for ref in (self._wakes, self._carrier):
            try:
                ref.stop(timeout=QUEUE_CLOSE_S)
            except pykka.Timeout:
                logger.warning("%s waits for Redis; it is left behind", ref)
        self._client.close()

    def actors(self) -> Sequence[Ref]:
        return (self._carrier, self._wakes) if self._open else ()

    # --- asking ------------------------------------------------------------------------------------------------------

    def _give(self, request: Request) -> None:
        """Hand a request to the carrier; bounds what waits, but for what only ends or gives way."""
        carrier = self._carrier_actor
        if carrier is None:
            request.tell(None, BrokerClosed())
            return
        with self._giving:
            refusal = self._refusal(request, carrier) if self._open else BrokerClosed()
            if refusal is None:
                self._given += 1
                self._given_bytes += request.size
                carrier.asked.append(request)
        if refusal is not None:
            request.tell(None, refusal)
            return
        try:
            carrier.call()
        except (pykka.ActorDeadError, MailboxFull):
            logger.debug("The engine is stopping")

    def _refusal(self, request: Request, carrier: Carrier) -> BrokerUnavailable | None:
        if request.lasting or not request.weight:
            return None
        waiting = self._given - carrier.taken
        bytes_waiting = self._given_bytes - carrier.taken_bytes
        if waiting < QUEUE_WAITING and not (waiting and bytes_waiting + request.size > QUEUE_WAITING_BYTES):
            return None
        return BrokerUnavailable(
            f"{waiting} operations wait for Redis at {self._place}, which is the limit: nothing was stored"
        )

    def _act(self, act: Callable[[Carrier], None]) -> None:
        self._give(Local(act))

    def _wake(self, queue: str | None) -> None:
        def wake(carrier: Carrier) -> None:
            for one in [queue] if queue is not None else list(carrier.lines):
                if queue is not None or carrier.lines[one].sink is not None:
                    carrier.line(one).hungry = False
                    carrier.stir(one, always=True)

        self._act(wake)

    # --- queues ------------------------------------------------------------------------------------------------------

    def declare(self, queue: str, spec: QueueSpec, done: Done[None]) -> None:
        def know(carrier: Carrier) -> None:
            carrier.line(queue).spec = spec

        self._act(know)
        self._give(Ask(queue, "declare", (spec_words(spec),), done, lambda _: None))

    def forget(self, queue: str, done: Done[bool]) -> None:
        self._give(Forget(queue, done))

    def queues(self, done: Done[Sequence[str]]) -> None:
        self._give(Ask(None, "names", (), done, sorted))

    def pause(self, queue: str, paused: bool, done: Done[bool]) -> None:
        self._give(Ask(queue, "pause", (paused,), done, bool))

    def counts(self, queue: str, done: Done[Counts]) -> None:
        self._give(Ask(queue, "counts", (), done, counts_of, stirs=False))

    # --- producing ---------------------------------------------------------------------------------------------------

    def put(self, jobs: Sequence[Job], done: Done[Sequence[Put]]) -> None:
        if not jobs:
            done([], None)
            return
        try:
            request = PutJobs(jobs, done)
        except Unsupported as error:
            done(None, error)
            return
        self._give(request)

    def move(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        self._give(Move(source, queue, function_id, namespace, done))

    # --- consuming ---------------------------------------------------------------------------------------------------

    def consume(self, queue: str, sink: Sink) -> None:
        def begin(carrier: Carrier) -> None:
            line = carrier.line(queue)
            line.sink, line.credit, line.hungry = sink, 0, False

        self._act(begin)

    def cease(self, queue: str) -> None:
        def end(carrier: Carrier) -> None:
            line = carrier.line(queue)
            line.sink, line.credit, line.hungry = None, 0, False

        self._act(end)
        self._give(Ask(queue, "cease", (), None, stirs=False))

    def grant(self, queue: str, credit: int) -> None:
        def grant(carrier: Carrier) -> None:
            line = carrier.line(queue)
            line.credit = max(line.credit + credit, 0)
            if not line.credit:
                line.hungry = False
            elif not line.hungry:
                carrier.stir(queue)

        self._act(grant)

    def ack(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        job = delivery.job
        group: str | bool = False if job.group is None else job.group
        self._give(Settle("ack", delivery, lambda _: (job.receipt, group, job.attempts), done))

    def retry(self, delivery: Delivery, failure: Failure, due_at_ms: int, done: Done[bool] | None = None) -> None:
        job = delivery.job
        kept = failures_after(job, failure, due_at_ms)

        def arguments(carrier: Carrier) -> Sequence[Any]:
            return job.attempts + 1, None, carrier.common_ms(due_at_ms), False

        self._give(Settle("retry", delivery, arguments, done, kept))

    def bury(self, delivery: Delivery, failure: Failure, done: Done[bool] | None = None) -> None:
        job = delivery.job
        kept = failures_after(job, failure, job.due_at_ms)
        self._give(Settle("bury", delivery, lambda _: (job.attempts + 1, None), done, kept))

    def release(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        score, again = delivery.lease.score, delivery.redelivered
        self._give(Settle("release", delivery, lambda _: (score, again), done))

    # --- inspecting and mending --------------------------------------------------------------------------------------

    def list(self, queue: str, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]) -> None:
        def listed(rows: Sequence[Shown]) -> Sequence[Listed]:
            return [row.listed(queue) for row in rows]

        if limit <= 0:
            done([], None)
            return
        arguments = (state.value, offset, limit)
        self._give(Ask(queue, "list", arguments, done, listed, decode=read_list, stirs=False))

    def find(self, queue: str, id: str, done: Done[Listed]) -> None:  # noqa: A002 - the protocol's word
        def listed(row: Shown | None) -> Listed | None:
            return row.listed(queue) if row is not None else None

        self._give(Ask(queue, "find", (id,), done, listed, decode=read_shown, stirs=False))

    def redrive(self, queue: str, id: str | None, done: Done[Outcome]) -> None:  # noqa: A002
        if id is not None:
            self._give(Ask(queue, "redrive", (id, 1), done, Outcome))
        else:
            self._give(Paged(queue, "redrive", (False,), [JobState.DEAD], done))

    def remove(self, queue: str, selection: Selection, done: Done[Outcome]) -> None:
        states = sorted(selection.states)
        words = [state.value for state in states]
        if selection.id is not None:
            self._give(Ask(queue, "remove", (words, selection.id, 1), done, Outcome))
        else:
            self._give(Paged(queue, "remove", (words, False), states, done))

    def edit(self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]) -> None:  # noqa: A002
        self._give(Edit(queue, id, data, max_retries, done))


class Forget(Request):
    """Drop a queue that holds nothing; this engine does not know it any more either."""

    def __init__(self, queue: str, done: Done[bool]) -> None:
        super().__init__(done)
        self._queue = queue

    def write(self, parcel: Any) -> None:
        parcel.add("forget", parcel.queue(self._queue))

    def answered(self, answer: Any, carrier: Carrier) -> None:
        forgotten = bool(_any(answer))
        line = carrier.lines.get(self._queue)
        if forgotten and line is not None:
            line.spec = None
            if not line.active:
                del carrier.lines[self._queue]
        self.tell(forgotten)

    def failed(self, error: EngineError, carrier: Carrier) -> None:
        if isinstance(error, QueueNotFound):
            self.tell(False)
        else:
            self.tell(None, error)
