"""The live registry: who is there, what they offer, and every change of it, as it happens.

    python examples/sdk/watcher.py        # then start and stop other workers, or kill the engine and start it again

`worker.functions` and `worker.workers` are ordinary read-only dicts that are always up to date: the engine pushes every
change to this worker. A callback is told first what there is, and then what has come and gone; after a reconnect, the
difference. Callbacks may take their time: they run one after the other on a thread of their own.
"""

import iii_worker
from iii_worker import FunctionsChange, WorkersChange


def functions_changed(change: FunctionsChange) -> None:
    """Tell of functions that came and went."""
    for function in change.added:
        print("FUNCTION", function.id, "by", function.worker_name, "-", function.description or "", flush=True)
    for function in change.removed:
        print("GONE", function.id, flush=True)


def workers_changed(change: WorkersChange) -> None:
    """Tell of workers that came and went."""
    for one in change.added:
        if not one.built_in:
            print("WORKER", one.name, f"({one.runtime})", flush=True)
    for one in change.removed:
        print("LEFT", one.name, flush=True)


worker = iii_worker.register_worker(worker_name="watcher", reconnection_config={"initial_delay_ms": 200})
print("READY", len(worker.workers), "workers,", len(worker.functions), "functions", flush=True)
worker.on_functions_changed(functions_changed)
worker.on_workers_changed(workers_changed)
worker.run()
