"""The test's end of a probe: an official SDK worker in a process of its own that does what it is told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.support.process import WAIT_S, Process

Members = dict[str, Any]
_SAYS = "@"
"""A line that begins so is the probe's; the others are the SDK's own."""


class ProbeError(Exception):
    """What the SDK raised in the probe."""

    def __init__(self, error: Members) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.kind: str = error["kind"]
        """The exception's class."""
        self.code: str | None = error.get("code")
        self.message: str = error["message"]
        self.stacktrace: str | None = error.get("stacktrace")


class Probe(Process):
    """One official worker. :meth:`do` says what, and waits for the outcome; events come by themselves."""

    def __init__(
        self, name: str, kind: str, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path
    ) -> None:
        self.kind = kind
        self._numbers = itertools.count(1)
        self._answers: dict[int, Members] = {}
        self._events: list[Members] = []
        super().__init__(name, command, env=env, cwd=cwd)

    def on_line(self, line: str) -> None:
        if line.startswith(_SAYS):
            message = json.loads(line[len(_SAYS) :])
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._events.append(message)

    def start(self, what: str, **arguments: object) -> int:
        """Say what to do, and do not wait; :meth:`finish` does."""
        number = next(self._numbers)
        self.write(json.dumps({"id": number, "do": what, **arguments}))
        return number

    def finish(self, number: int, timeout: float = WAIT_S) -> Any:
        self.wait_for(lambda: number in self._answers, f"answer {number}", timeout)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise ProbeError(answer["error"])
        return answer.get("result")

    def do(self, what: str, *, wait_s: float = WAIT_S, **arguments: object) -> Any:
        """Have something done; returns the result, raises :class:`ProbeError`."""
        return self.finish(self.start(what, **arguments), wait_s)

    def call(self, function_id: str, payload: object = None, **more: object) -> Any:
        return self.do("call", function_id=function_id, payload=payload, **more)

    def offer(self, function_id: str, behaviour: str = "echo", **more: object) -> None:
        """Register a function; when this returns, the engine has taken it (or refused)."""
        self.do("function", function_id=function_id, behaviour=behaviour, **more)

    def event(self, event: str, *, timeout: float = WAIT_S, **members: object) -> Members:
        """Wait for an event with these members, and take it out."""
        found: list[Members] = []
        wanted = {"event": event, **members}

        def look() -> bool:
            if not found:
                found.extend(one for one in self._events if all(one.get(key) == wanted[key] for key in wanted))
            return bool(found)

        self.wait_for(look, f"event {wanted}", timeout)
        self._events.remove(found[0])
        return found[0]
