"""SIGUSR1: what every actor of a running engine is doing, as a table on standard error (docs/operations.rst)."""

from __future__ import annotations

from collections.abc import Sequence

from iii_actors.actor import Moment
from iii_actors.cli import output
from iii_actors.limits import ACTORS_SHOWN

__all__ = ["table"]

_HEAD = ("actor", "kind", "waiting", "handled", "failed", "busy s", "now handling", "for s")


def table(moments: Sequence[Moment]) -> str:
    """Return the actors, those longest at work first, then by mailbox; the idle ones of a kind in one line."""
    busy = sorted(
        (one for one in moments if one.message is not None or one.stats.depth),
        key=lambda one: (-(one.age_s or 0.0), -one.stats.depth),
    )
    rows = [_row(one) for one in busy[:ACTORS_SHOWN]]
    idle: dict[tuple[str, str], list[Moment]] = {}
    for one in moments:
        if one.message is None and not one.stats.depth:
            idle.setdefault((one.stats.name, one.stats.kind), []).append(one)
    rows += [_sum(name, kind, those) for (name, kind), those in sorted(idle.items())]
    lines = [output.table(_HEAD, rows)]
    if len(busy) > ACTORS_SHOWN:
        lines.append(f"and {len(busy) - ACTORS_SHOWN} more that are not idle")
    return "\n".join([f"{len(moments)} actors, {len(busy)} of them at work or with messages waiting", *lines])


def _row(one: Moment) -> tuple[object, ...]:
    figures = one.stats
    now = ("-", "-") if one.message is None else (one.message, f"{one.age_s:.3f}")
    counted = (figures.depth, figures.handled, figures.failed, f"{figures.busy_s:.3f}")
    return (figures.name, figures.kind, *counted, *now)


def _sum(name: str, kind: str, those: Sequence[Moment]) -> tuple[object, ...]:
    """One line for all idle actors of one name."""
    label = f"{name} x {len(those)}" if len(those) > 1 else name
    handled, failed = (sum(getattr(one.stats, what) for one in those) for what in ("handled", "failed"))
    return (label, kind, 0, handled, failed, f"{sum(one.stats.busy_s for one in those):.3f}", "idle", "-")
