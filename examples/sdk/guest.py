"""Hello, part two of two: a worker that calls another one's function.

    python examples/sdk/greeter.py
    python examples/sdk/guest.py Ada

It may be started first: `wait_for_function` returns as soon as somebody offers the function, wherever that worker runs
and in whatever language it is written. A call blocks until the answer is there, or raises: an `InvocationError` has the
code to react to (the function's own, or `TIMEOUT`, `function_not_found`, `invalid_request`, ...).
"""

import sys

import iii_worker

name = sys.argv[1] if len(sys.argv) > 1 else "world"

with iii_worker.register_worker(worker_name="guest") as worker:
    offer = worker.wait_for_function("greetings::hello", timeout=60)
    print("FOUND", offer.function_id, "offered by", offer.worker_name)

    print("SAID", worker.call("greetings::hello", {"name": name}, timeout=5)["text"])
    print("SAID", worker.call("greetings::hello", {"name": name, "language": "no"}, timeout=5)["text"])

    for payload in ({"name": name, "language": "tlh"}, {"language": "en"}):
        try:
            worker.call("greetings::hello", payload, timeout=5)
        except iii_worker.InvocationError as error:
            print("REFUSED", error.code, "-", error.message)
