"""Official workers that stay, longer than any of their keepalives: with telemetry on, as it is by default."""

import pytest

from tests.e2e.conftest import NODE, PYTHON_SDKS
from tests.e2e.support.names import unique

STAY_S = 65.0
"""Python's socket library pings after 20 s and gives up 20 s later; Node gives up after 60 s without a frame."""


@pytest.mark.slow
def test_workers_stay_connected_and_their_telemetry_too(shop):
    engine = shop.engine()
    kinds = (*PYTHON_SDKS, NODE)
    workers = {kind: shop.probe(kind, engine.url) for kind in kinds}
    function_ids = {kind: unique("e2e::echo") for kind in kinds}
    for kind, worker in workers.items():
        worker.offer(function_ids[kind])
    marks = {kind: worker.mark() for kind, worker in workers.items()}
    ids = {kind: worker.do("state")["worker_id"] for kind, worker in workers.items()}

    # The engine's log is where all of them would be seen to go: nothing of the kind comes, for so long.
    with pytest.raises(AssertionError, match="did not come"):
        engine.process.expect("never printed", timeout=STAY_S)

    for kind, worker in workers.items():
        state = worker.do("state")
        assert (state["state"], state["worker_id"]) == ("connected", ids[kind]), "still the same connection"
        assert not [line for line in worker.lines[marks[kind] :] if '"event": "state"' in line or "OTel" in line], kind
        if kind != NODE:
            assert 0 < state["latency"] < 5, "a ping was sent, and answered"
        for other in kinds:
            if other != kind:
                assert worker.call(function_ids[other], kind)["data"] == kind
    assert engine.faults() == []
