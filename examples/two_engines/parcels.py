"""Two engines, one Redis, one queue: whoever has a hand free packs the next parcel.

A Redis (6.2 or newer) must be running; REDIS_URL says where, if not on this machine. In four terminals, in this folder:

    WORKER_PORT=49134 python -m iii_actors -c engine.yaml
    WORKER_PORT=49135 python -m iii_actors -c engine.yaml
    III_URL=ws://127.0.0.1:49134 python parcels.py packer Ada
    III_URL=ws://127.0.0.1:49135 python parcels.py packer Grace

and in a fifth, at whichever of the two engines:

    python parcels.py 20

Ada and Grace pack about ten each. Then try it with 200, and end one of the engines with `kill -9`: five seconds later
(`lease_ms`) the other one has what that one had in its hands, and goes on; nothing is lost.
"""

import sys
import threading

import iii_worker

PACKING_S = 0.1


def pack(worker: iii_worker.IIIClient, name: str) -> None:
    """Serve at one of the engines."""

    @worker.function("parcels::pack")
    def pack_one(number: int) -> None:
        threading.Event().wait(PACKING_S)
        print(f"PACKED {number} by {name}", flush=True)

    print("READY", name, flush=True)
    worker.run()


def send(worker: iii_worker.IIIClient, count: int) -> None:
    """Enqueue; each receipt says that the parcel is in Redis."""
    for number in range(count):
        worker.enqueue("parcels::pack", number, "parcels")
    print("SENT", count, flush=True)
    while True:
        book = worker.call("engine::queue::stats", {"queue": "parcels"})["queues"][0]
        if not (book["waiting"] or book["delayed"] or book["in_flight"]):
            break
        threading.Event().wait(PACKING_S)
    print("DONE", book["done"], "dead", book["dead"], flush=True)


if sys.argv[1:2] == ["packer"]:
    pack(iii_worker.register_worker(worker_name=f"packer-{sys.argv[2]}"), sys.argv[2])
else:
    with iii_worker.register_worker(worker_name="sender") as client:
        send(client, int(sys.argv[1]))
