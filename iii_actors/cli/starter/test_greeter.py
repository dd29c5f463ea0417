"""What the worker does, without an engine: `python -m pytest`."""

from greeter import register

from iii_worker.testing import FakeWorker


def test_it_greets_and_counts() -> None:
    worker = FakeWorker()
    register(worker)
    counting = worker.stub("state::update", {"old_value": 6, "new_value": 7})
    assert worker.call("greeter::greet", {"name": "Ada"}) == {"greeting": "Hello, Ada!", "count": 7}
    assert counting.payloads[0]["scope"] == "greeter"
