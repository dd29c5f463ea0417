"""How a serving process ends: on a signal or on ``engine::drain``, once what runs has ended (docs/operations.rst)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iii_actors import Engine

__all__ = ["GoingDown", "drain", "watch_signals"]

logger = logging.getLogger("iii_actors")


class GoingDown:
    """Who asks the process to end, and how long what runs may take then.

    :param deadline_s: for signals, and for ``engine::drain`` without a deadline of its own.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self.asked = threading.Event()

    def ask(self, deadline_s: float | None = None) -> None:
        """Begin; any thread, does not wait. Only the first time counts."""
        if not self.asked.is_set():
            self.deadline_s = self.deadline_s if deadline_s is None else deadline_s
            self.asked.set()


def drain(engine: Engine, deadline_s: float) -> None:
    """Let what runs come to its end, and say how that went."""
    logger.info("Stopping: calls in flight have %.1f s; a second signal ends them at once", deadline_s)
    drained = engine.drain(deadline_s)
    if drained.left:
        logger.warning("%d calls were still in flight after %.1f s; they are stopped", drained.left, drained.seconds)
    elif drained.calls:
        logger.info("The calls in flight (%d) have ended, after %.1f s", drained.calls, drained.seconds)


def watch_signals(going_down: GoingDown, engine: Engine) -> None:
    """Have SIGINT and SIGTERM end the process, the second one at once, and SIGUSR1 print what the actors do.

    Python runs signal handlers between two steps of the main thread, and that thread may be about to wait for good, or
    be busy. So the number goes through a pipe, which the interpreter fills as the signal comes, to a thread that
    has nothing else to do.
    """
    ending = (signal.SIGINT, signal.SIGTERM)
    showing = getattr(signal, "SIGUSR1", None)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (*ending, *([showing] if showing is not None else [])):
        signal.signal(number, lambda _number, _frame: None)

    def watch() -> None:
        signalled = False
        while True:
            number = os.read(reading, 1)[0]
            if number == showing:
                from iii_actors.cli.actors import table  # noqa: PLC0415 - few ask

                print(table(engine.moments()), file=sys.stderr, flush=True)
            elif number in ending:
                if signalled:
                    os._exit(128 + number)
                signalled = True
                going_down.ask()

    threading.Thread(target=watch, name="iii-signals", daemon=True).start()
