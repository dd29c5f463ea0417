"""Echo calls through a Python SDK: run as a program, by an interpreter that has the SDK in question.

``sdk_load.py <ours|official> <url> callee`` serves until its standard input ends. ``sdk_load.py <ours|official> <url>
caller <in flight> <bytes> <seconds>`` prints one JSON object: calls/s, p50 and p99 in microseconds, errors. It imports
nothing of this package: the official SDK's interpreter has none of its requirements.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from typing import Any

FUNCTION = "bench::sdk-echo"
WARM_UP_S = 0.5
WAIT_S = 20.0


def connected(sdk: str, url: str, role: str) -> Any:
    """Return a client of either SDK; they are used in the same way."""
    module: Any = importlib.import_module("iii_worker" if sdk == "ours" else "iii")
    return module.register_worker(url, module.InitOptions(worker_name=f"bench-{sdk}-{role}", otel={"enabled": False}))


def serve(client: Any) -> None:
    client.register_function(FUNCTION, lambda data: data)
    print("ready", flush=True)
    sys.stdin.read()


def measure(client: Any, in_flight: int, size: int, seconds: float) -> dict[str, float]:
    request = {"function_id": FUNCTION, "payload": {"text": "x" * size}}
    until = time.monotonic() + WAIT_S
    while True:
        try:
            client.trigger(request)
            break
        except Exception:
            if time.monotonic() > until:
                raise
    run(client, request, in_flight, min(WARM_UP_S, seconds))
    took, errors, elapsed = run(client, request, in_flight, seconds)
    took.sort()
    return {
        "calls_per_s": len(took) / elapsed,
        "p50_us": took[len(took) // 2] * 1e6,
        "p99_us": took[len(took) * 99 // 100] * 1e6,
        "errors": errors,
    }


def run(client: Any, request: dict[str, Any], in_flight: int, seconds: float) -> tuple[list[float], int, float]:
    """Call from so many threads; return what each call took, how many failed, and for how long it all went on."""
    took: list[float] = []
    errors: list[Exception] = []
    began = time.perf_counter()

    def call() -> None:
        while (start := time.perf_counter()) - began < seconds:
            try:
                client.trigger(request)
            except Exception as error:
                errors.append(error)
            else:
                took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=call) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, len(errors), time.perf_counter() - began


def main(sdk: str, url: str, role: str, *load: str) -> None:
    client = connected(sdk, url, role)
    try:
        if role == "callee":
            serve(client)
        else:
            print(json.dumps(measure(client, int(load[0]), int(load[1]), float(load[2]))), flush=True)
    finally:
        client.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
