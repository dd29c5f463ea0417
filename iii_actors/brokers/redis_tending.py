"""Leases in Redis: renewing one's own, and taking over those of engines that are not heard of any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Raw
from msgspec.msgpack import Decoder

from iii_actors.brokers.redis_line import Line
from iii_actors.brokers.redis_parcel import Parcel
from iii_actors.brokers.redis_requests import Request
from iii_actors.limits import QUEUE_TEND_JOBS

if TYPE_CHECKING:
    from iii_actors.brokers.redis_carrier import Carrier

__all__ = ["LATE", "tending"]

logger = logging.getLogger(__name__)

LATE: Final = (
    "iii-queue: this engine did nothing for %.1f s, longer than the lease of its jobs in flight: other engines may "
    "have taken them over, and answers of handlers then count for nothing; raise lease_ms if the machine is that busy"
)
_any: Final = Decoder().decode


def tending(lines: Iterable[Line], lease_s: float, *, take_over: bool) -> Iterator[Request]:
    """Yield what is to be done for every line that is in use here."""
    for line in lines:
        if not line.active:
            continue
        entries = list(line.flying)
        rest = max(len(entries) - 1, 0) // QUEUE_TEND_JOBS * QUEUE_TEND_JOBS
        for at in range(0, rest, QUEUE_TEND_JOBS):
            yield _Tend(line, entries[at : at + QUEUE_TEND_JOBS], None)
        # Only when all of one's own are renewed: those would be taken over as well.
        yield _Tend(line, entries[rest:], int(lease_s * 1000) if take_over else None)


class _Tend(Request):
    """:param lease_ms: take over what was not renewed for so long; None: nothing."""

    def __init__(self, line: Line, entries: list[str], lease_ms: int | None) -> None:
        super().__init__(None)
        self._line = line
        self._entries = entries
        self._lease_ms = lease_ms

    def prepare(self, carrier: Carrier) -> bool:
        carrier.stir(self._line.queue)
        return True

    def write(self, parcel: Parcel) -> None:
        lease_ms = False if self._lease_ms is None else self._lease_ms
        parcel.add("tend", parcel.queue(self._line.queue), self._entries, lease_ms)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        count = _any(answer)
        if count:
            logger.info(
                "iii-queue: %d jobs of '%s' that another engine had and does not keep any more are delivered again",
                count,
                self._line.queue,
            )
