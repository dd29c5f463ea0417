"""Fan-out: one job in many parts, done by however many workers there are.

    python examples/sdk/fan_out.py counter     # start this in as many terminals as you like
    python examples/sdk/fan_out.py             # cuts a text up, has its parts counted, adds up

Every `counter` joins the group: `group="least_busy"` lets several workers offer one function, and each call goes to the
one with the least to do. `call_many` makes all calls at once and returns their results in the order of the calls.
"""

import os
import sys
from collections import Counter

import iii_worker

TEXT = "the engine gives every call to the worker that has the least to do " * 1000
PARTS = 20


def count(worker: iii_worker.IIIClient) -> None:
    """Serve as one of the group."""

    @worker.function("words::count", group="least_busy", concurrency=4)
    def count_words(data: dict) -> dict:
        return {"by": os.getpid(), "words": dict(Counter(data["text"].split()))}

    print("READY words::count", flush=True)
    worker.run()


def ask(worker: iii_worker.IIIClient) -> None:
    """Cut up, call, add up."""
    worker.wait_for_function("words::count", timeout=60)
    words = TEXT.split()
    size = -(-len(words) // PARTS)
    parts = [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
    results = worker.call_many([("words::count", {"text": part}) for part in parts], timeout=30)
    total: Counter[str] = Counter()
    for result in results:
        total.update(result["words"])
    print("PARTS", len(results), "counted by", len({result["by"] for result in results}), "workers")
    print("TOTAL", sum(total.values()), "words, most often", *total.most_common(1)[0])


if "counter" in sys.argv[1:]:
    count(iii_worker.register_worker(worker_name=f"counter-{os.getpid()}"))
else:
    with iii_worker.register_worker(worker_name=f"asker-{os.getpid()}") as client:
        ask(client)
