"""A worker: a function that others may call, with an HTTP route, which counts in the engine's shared state.

python -m iii_actors          in one terminal
python greeter.py             in another
python -m iii_actors call greeter::greet name=Ada
curl http://127.0.0.1:3111/greet/Ada
"""

from __future__ import annotations

import iii_worker
from iii_worker import HttpRequest, IIIClient


def register(worker: IIIClient) -> None:
    """Register what this worker offers."""

    @worker.function("greeter::greet")
    def greet(data: dict[str, str]) -> dict[str, object]:
        """Greet somebody, and say how many have been greeted so far."""
        name = data.get("name", "stranger")
        count = worker.call(
            "state::update",
            {"scope": "greeter", "key": "count", "ops": [{"type": "increment", "path": "", "by": 1}]},
        )
        return {"greeting": f"Hello, {name}!", "count": count["new_value"]}

    @worker.http("GET", "/greet/:name")
    def greet_over_http(request: HttpRequest[None]) -> dict[str, object]:
        """The same, as the answer to a web request."""
        return greet({"name": request.path_params["name"]})


if __name__ == "__main__":
    worker = iii_worker.register_worker(worker_name="greeter")
    register(worker)
    worker.run()
