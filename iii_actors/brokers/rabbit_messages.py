"""A job as a message of RabbitMQ, and back (queue.md §9). Pure.

A named queue's message has the data as its body, and headers; a topic's body is an object with the data in it. What
the protocol has no place for stands in headers of ours, ``x-iii-…``, which other engines pass over; a message that has
none of them, from another engine or from anybody's own program, is taken as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_wire import Properties, Unsigned
from iii_actors.limits import AMQP_FAILURES_BYTES, AMQP_HEADERS_BYTES, QUEUE_FAILURES_KEPT, QUEUE_MAX_RETRIES

__all__ = [
    "ASIDE",
    "DUE_AT",
    "JOB_ID",
    "REDELIVERED",
    "TARGET",
    "TARGET_KEY",
    "TURN",
    "Malformed",
    "Message",
    "dead_letter",
    "decode",
    "decode_dead",
    "encode",
    "group_in",
    "header_number",
    "untouched",
]

JOB_ID: Final = "x-iii-job-id"
DUE_AT: Final = "x-iii-due-at"
REDELIVERED: Final = "x-iii-redelivered"
"""An earlier delivery may have reached a worker, though RabbitMQ does not know."""
TARGET: Final = "x-iii-target"
"""Of a delayed message: the exchange that it is for, and with the next one the routing key."""
TARGET_KEY: Final = "x-iii-target-key"
ASIDE: Final = "x-iii-aside"
"""Of a message that is no job, an id."""
TURN: Final = "x-iii-turn"
"""Of a dead letter that was put back, when: its attempts are none again, and it is still another message."""
_ATTEMPT: Final = "x-attempt"
_TOPIC_ATTEMPTS: Final = "x-iii-attempts"
_MOST_ATTEMPTS: Final = "x-iii-max-attempts"
_RETRIES: Final = "x-iii-max-retries"
_CREATED_AT: Final = "x-iii-created-at"
_RECEIPT: Final = "x-iii-receipt"
_GROUP: Final = "x-iii-group"
_GROUPS: Final = "x-iii-groups"
"""Of a topic's message: groups by queue key, as JSON; each subscription may have its own field for them."""
_FAILURES: Final = "x-iii-failures"
_DEAD_AT: Final = "x-iii-dead-at"
_NAMED_DEAD: Final = "function call failed"
"""The error text of a named queue's dead letter that RabbitMQ itself has put there (queue.md §7)."""
_DATA_AT: Final = "x-iii-data-at"
"""Of a topic's message: where in its body the data begins, which ends before the last brace."""
_JOB_AT: Final = "x-iii-job-at"
"""Of a topic's dead letter: the same of the message in it."""
_FOR: Final = "x-iii-for"
"""Of a topic's message: the one subscription whose function is named in the message."""
_MARKS: Final = frozenset(
    {TARGET, TARGET_KEY, REDELIVERED, DUE_AT, _DEAD_AT, _FAILURES, _GROUP, _GROUPS, _RETRIES, _FOR, _DATA_AT, _JOB_AT}
)
_BROKERS_OWN: Final = ("x-death", "x-first-death", "x-last-death", "x-delivery")
_ERROR_BODY: Final = re.compile(r'ErrorBody \{ code: "((?:[^"\\]|\\.)*)", message: "((?:[^"\\]|\\.)*)"', re.DOTALL)
_LARGEST: Final = (1 << 32) - 1


class Malformed(Exception):
    """A message that is no job: from nobody who knows queue.md §9."""


class Message(NamedTuple):
    """What is sent."""

    body: bytes
    properties: Properties


class _TopicBody(Struct):
    """A topic's message, as other engines write it."""

    data: Raw
    id: str | None = None
    topic: str | None = None
    attempts_made: int = 0
    max_attempts: int | None = None
    created_at: int | None = None
    traceparent: str | None = None
    baggage: str | None = None
    priority: int | None = None


class _DeadBody(Struct):
    job: Raw
    error: Any = None
    exhausted_at: int | None = None


_topic_body: Final = msgspec.json.Decoder(_TopicBody)
_dead_body: Final = msgspec.json.Decoder(_DeadBody)
_groups: Final = msgspec.json.Decoder(dict[str, str])
_object: Final = msgspec.json.Decoder(dict[str, Raw])
_any_json: Final = msgspec.json.Decoder()
_failures: Final = msgspec.json.Decoder(list[tuple[str, str, int, str | None]])
_encode_json: Final = msgspec.json.Encoder().encode


# --- out --------------------------------------------------------------------------------------------------------------


def encode(
    place: Topology,
    job: Job,
    foreign: Mapping[str, Any] | None = None,
    marks: Mapping[str, Any] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Message:
    """Return a job as a message.

    :param foreign: the headers that it came with, if it came from RabbitMQ. They are left out, and the failures, if
        all do not fit into a frame.
    :param marks: more headers of ours.
    :param groups: of a publication with several copies: their groups by queue key.
    """
    headers: dict[str, Any] = {} if foreign is None else _kept(foreign)
    if marks is not None:
        headers.update(marks)
    if job.traceparent is not None:
        headers["traceparent"] = job.traceparent
    if job.baggage is not None:
        headers["baggage"] = job.baggage
    headers[JOB_ID] = job.id
    headers[_CREATED_AT] = job.created_at_ms
    group = None if place.wrapped else job.group
    ours = {_GROUP: group, _RETRIES: job.max_retries, DUE_AT: job.due_at_ms or None}
    headers.update({name: value for name, value in ours.items() if value is not None})
    if job.failures:
        headers[_FAILURES] = _written(job.failures)
    retries = QUEUE_MAX_RETRIES if job.max_retries is None else job.max_retries
    if place.wrapped:
        body, headers[_DATA_AT] = _body(place, job, retries)
        headers[_TOPIC_ATTEMPTS] = job.attempts
        headers[_MOST_ATTEMPTS] = retries + 1
        headers[_RECEIPT] = job.receipt
        if groups is None and job.group is not None:
            groups = {place.key: job.group}
        if groups:
            headers[_GROUPS] = _encode_json(groups).decode()
        if (job.function_id, job.namespace) != (place.function_id, place.namespace) and place.bound:
            headers[_FOR] = place.key
    else:
        body = job.data
        headers[_ATTEMPT] = Unsigned(min(job.attempts, _LARGEST))
    if not place.wrapped or _FOR in headers:
        headers["function_id"] = job.function_id
        headers["namespace"] = job.namespace
    properties = Properties(headers, job.receipt, job.priority or None)
    if len(properties) > AMQP_HEADERS_BYTES and (foreign or job.failures):
        return encode(place, msgspec.structs.replace(job, failures=()), None, marks, groups)
    return Message(body, properties)


def _body(place: Topology, job: Job, retries: int) -> tuple[bytes, int]:
    """Return a topic's message, and where in it the data begins: it is the last member, easily found."""
    head = _encode_json(
        {
            "id": job.id,
            "topic": place.exchange.removeprefix("iii.").removesuffix(".exchange"),
            "attempts_made": job.attempts,
            "max_attempts": retries + 1,
            "created_at": job.created_at_ms,
            "traceparent": job.traceparent,
            "baggage": job.baggage,
            "priority": job.priority or None,
        }
    )
    start = head[:-1] + b',"data":'
    return b"".join((start, job.data, b"}")), len(start)


def untouched(properties: Any, body: bytes) -> tuple[Message, str]:
    """Return a message that is no job as it came, with an id to know it by, and that."""
    own_id = str(uuid4())
    headers = {**_kept(properties.headers or {}), ASIDE: own_id}
    return Message(body, Properties(headers, properties.message_id, properties.priority)), own_id


def dead_letter(place: Topology, job: Job, foreign: Mapping[str, Any], at_ms: int) -> Message:
    """Return a job that has failed for good as the message that is kept of it."""
    if not place.wrapped:
        return encode(place, job, foreign, {_DEAD_AT: at_ms})
    failure = job.failures[-1] if job.failures else Failure("unknown", "", at_ms)
    error = f"ErrorBody {{ code: {_quoted(failure.code)}, message: {_quoted(failure.message)}, stacktrace: None }}"
    start = _encode_json({"error": error, "exhausted_at": at_ms})[:-1] + b',"job":'
    alive = encode(place, job, foreign, {_DEAD_AT: at_ms, _JOB_AT: len(start)})
    return alive._replace(body=b"".join((start, alive.body, b"}")))


def _kept(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be kept of a message's headers: not ours, which are written anew, nor RabbitMQ's own, by which
    it would find a message going in circles and drop it.
    """
    return {name: value for name, value in headers.items() if name not in _MARKS and not name.startswith(_BROKERS_OWN)}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _written(failures: Sequence[Failure]) -> str:
    """Return failures as a header's text, which has an end: long ones are cut, older ones left out."""
    rows = [(one.code, one.message, one.at_ms, one.stacktrace) for one in failures[-QUEUE_FAILURES_KEPT:]]
    while len(text := _encode_json(rows)) > AMQP_FAILURES_BYTES:
        if len(rows) > 1:
            del rows[0]
        else:
            code, message, at_ms, stack = rows[0]
            # In JSON a character takes six bytes at most.
            rows[0] = (
                code[:256],
                message[: AMQP_FAILURES_BYTES // 16],
                at_ms,
                stack and stack[: AMQP_FAILURES_BYTES // 16],
            )
    return text.decode()


# --- in ---------------------------------------------------------------------------------------------------------------


def decode(place: Topology, properties: Any, body: bytes, now_ms: int) -> Job:
    """Return the job that a message is.

    :param properties: pika's.
    :param now_ms: its creation time, if the message does not say.
    :raises Malformed: it is none.
    """
    headers: Mapping[str, Any] = properties.headers or {}
    function_id, namespace = _text(headers, "function_id") or "", _text(headers, "namespace") or "default"
    created_at_ms = header_number(headers, _CREATED_AT)
    job_id, receipt = _text(headers, JOB_ID), properties.message_id
    traceparent, baggage = _text(headers, "traceparent"), _text(headers, "baggage")
    priority = properties.priority or 0
    if not place.wrapped:
        if not function_id:
            raise Malformed("it has no header function_id")
        data, attempts = body, header_number(headers, _ATTEMPT, 0)
        if job_id is None:
            _check_json(data)
    else:
        if headers.get(_FOR) != place.key:
            function_id, namespace = place.function_id, place.namespace
        start = header_number(headers, _DATA_AT)
        attempts = header_number(headers, _TOPIC_ATTEMPTS)
        receipt = _text(headers, _RECEIPT) or receipt
        if start is not None and job_id is not None and attempts is not None:
            data = body[start:-1]
        else:
            inner = _foreign_body(body)
            data = bytes(inner.data)
            attempts = inner.attempts_made if attempts is None else attempts
            created_at_ms = inner.created_at if created_at_ms is None else created_at_ms
            job_id = inner.id or job_id
            traceparent, baggage = inner.traceparent or traceparent, inner.baggage or baggage
            priority = priority or inner.priority or 0
    job_id = job_id or receipt
    own_id = job_id or receipt or str(uuid4())
    return Job(
        id=own_id,
        receipt=receipt or own_id,
        queue=place.key,
        function_id=function_id,
        namespace=namespace,
        data=data,
        created_at_ms=now_ms if created_at_ms is None else created_at_ms,
        due_at_ms=header_number(headers, DUE_AT, 0),
        group=_group(place, headers),
        priority=priority,
        max_retries=header_number(headers, _RETRIES),
        traceparent=traceparent,
        baggage=baggage,
        attempts=attempts,
        failures=_read(headers),
    )


def _group(place: Topology, headers: Mapping[str, Any]) -> str | None:
    if not place.wrapped:
        return _text(headers, _GROUP)
    text = _text(headers, _GROUPS)
    if text is None:
        return None
    try:
        return _groups.decode(text).get(place.key)
    except (msgspec.MsgspecError, ValueError):
        return None


def group_in(data: bytes, field: str) -> str | None:
    """Return the group that a key at the top level of a job's data names: a string as it is, anything else as JSON."""
    try:
        value = bytes(_object.decode(data).get(field, b"null"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if value == b"null":
        return None
    return str(_any_json.decode(value)) if value[:1] == b'"' else value.decode()


def _foreign_body(body: bytes) -> _TopicBody:
    """Parse what another engine has written."""
    try:
        return _topic_body.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"its body is not a topic's message: {error}") from None


def decode_dead(place: Topology, properties: Any, body: bytes, now_ms: int) -> Job:
    """Return the job that a dead letter is of, with at least one failure."""
    headers: Mapping[str, Any] = properties.headers or {}
    error, at_ms = _NAMED_DEAD, header_number(headers, _DEAD_AT, now_ms)
    start = header_number(headers, _JOB_AT)
    if place.wrapped and start is not None:
        body = body[start:-1]
    elif place.wrapped:
        try:
            dead = _dead_body.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
            raise Malformed(f"its body is not a dead letter: {problem}") from None
        body = bytes(dead.job)
        at_ms = at_ms if dead.exhausted_at is None else dead.exhausted_at
        error = dead.error if isinstance(dead.error, str) else _encode_json(dead.error).decode()
    else:
        deaths = headers.get("x-death")
        if isinstance(deaths, list) and deaths and _DEAD_AT not in headers:
            when = deaths[0].get("time") if isinstance(deaths[0], dict) else None
            at_ms = int(when.timestamp() * 1000) if when is not None else at_ms
    job = decode(place, properties, body, now_ms)
    if job.failures:
        return job
    found = _ERROR_BODY.match(error)
    code, message = (found[1], found[2]) if found else ("error", error)
    failure = Failure(_unquoted(code), _unquoted(message), at_ms)
    # Another engine has counted only those before the last.
    attempts = job.attempts if place.wrapped else job.attempts + 1
    return msgspec.structs.replace(job, failures=(failure,), attempts=max(attempts, 1))


def header_number(headers: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
    """Return a whole number that is not negative from a header, or ``otherwise``."""
    value = headers.get(name)
    # pika has its own kind of long number.
    return int(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _text(headers: Mapping[str, Any], name: str) -> str | None:
    value = headers.get(name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _read(headers: Mapping[str, Any]) -> Sequence[Failure]:
    text = _text(headers, _FAILURES)
    if text is None:
        return ()
    try:
        return tuple(Failure(*row) for row in _failures.decode(text))
    except (msgspec.MsgspecError, ValueError):
        return ()


def _check_json(data: bytes) -> None:
    """Refuse what would break the frame that it is put into."""
    try:
        _any_json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"its data is not JSON: {error}") from None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
