"""``iii-observability``: spans, logs and metrics, of workers and of the engine itself (observability.md).

What happens goes, on the thread on which it happens, to the :mod:`~iii_actors.builtin.observability.intake`, which is
bounded and never waits; the :mod:`~iii_actors.builtin.observability.archive`, on a thread of its own, makes records of
it, keeps them in stores with limits, lists them, tells triggers and exports.
"""

from iii_actors.builtin.observability.worker import Observability

__all__ = ["Observability"]
