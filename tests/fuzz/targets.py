"""What is fuzzed with coverage: one function for each place where bytes from outside are read first (README.rst).

A target raises only if the engine is wrong. It takes any bytes; what a harness has found, or a person thinks of, is kept
in ``corpus/`` and replayed by ``test_corpus.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from iii_actors.config.loading import parse as parse_config
from iii_actors.errors import ConfigError
from iii_actors.transport.frames import FrameReader, Message
from iii_actors.transport.handshake import Refused, accept, parse, refusal
from iii_actors.wire import codec
from iii_actors.wire import messages as wire

__all__ = ["TARGETS"]

ENVIRON = {"PORT": "1", "EMPTY": "", "YAML": "[a, {b: c}]"}


def frames(data: bytes) -> None:
    """The frame reader: however the bytes are cut, the same messages and the same verdict come out."""
    step, data = (data[0] % 61 + 1, data[1:]) if data else (1, data)
    whole, whole_error = _read([data])
    cut, cut_error = _read([data[at : at + step] for at in range(0, len(data), step)])
    if (whole, whole_error) != (cut, cut_error):
        raise AssertionError(f"{whole}, {whole_error} whole, but in pieces of {step}: {cut}, {cut_error}")


def _read(chunks: list[bytes]) -> tuple[list[Message], str | None]:
    reader = FrameReader(5_000, 8_000)
    found: list[Message] = []
    for whole in chunks:
        chunk = whole
        while chunk and not reader.closed and reader.error is None:
            place = reader.place
            if place is None:
                found += reader.taken(chunk)
                break
            count = min(len(place), len(chunk))
            place[:count] = chunk[:count]
            found += reader.filled(count)
            chunk = chunk[count:]
    return found, None if reader.error is None else f"{reader.error.close_code} {reader.error}"


def handshake(data: bytes) -> None:
    """The opening handshake: a request, which can be accepted, or a refusal, which can be sent."""
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"  # whoever calls it has found the empty line
    try:
        request = parse(head, lambda path: path.startswith("/"))
    except Refused as refused:
        answer = refusal(refused)
    else:
        answer = accept(request)
    told = answer.partition(b"\r\n\r\n")[0].decode("ascii")
    if not told.startswith("HTTP/1.1 ") or "\n" in told.replace("\r\n", ""):
        raise AssertionError(f"no answer at all: {told!r}")


def codec_(data: bytes) -> None:
    """The codec: a message or ``Undecodable``; a call's payload can be spliced."""
    try:
        message = codec.decode(data)
    except codec.Undecodable:
        return
    if isinstance(message, wire.InvokeFunction):
        codec.splice_caller(message.data, codec.caller_member("8d3c0a9e-0000-4000-8000-000000000000"))


def config(data: bytes) -> None:
    """The settings file: settings, or one error that names a place and fits in a line."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        parse_config(text, "fuzz.yaml", ENVIRON)
    except ConfigError as error:
        if not str(error).startswith(("fuzz.yaml", "environment variable")):
            raise AssertionError(f"no place is named: {error}") from error


TARGETS: dict[str, Callable[[bytes], None]] = {
    "codec": codec_,
    "config": config,
    "frames": frames,
    "handshake": handshake,
}
