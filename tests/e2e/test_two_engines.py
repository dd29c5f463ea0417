"""`examples/two_engines`: two engines on one Redis share a queue, and one takes over from the other."""

import re
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.brokers.redis_lab import until
from tests.e2e.support.process import Process, environment
from tests.support.redis import redis_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_engines"
NAMES = ("Ada", "Grace")
WAIT_S = 30.0


class Shop:
    """The engines and the packers, each as the example's docstring says."""

    def __init__(self, stack, redis_url):
        self._stack = stack
        engine = ["-m", "iii_actors", "-c", "engine.yaml", "--no-reload"]
        self.engines = [
            self._start("engine", *engine, WORKER_PORT="0", REDIS_URL=redis_url, LEASE_MS="1000") for _ in NAMES
        ]
        self.urls = [self._url(engine) for engine in self.engines]
        self.packers = [
            self._start(name, "parcels.py", "packer", name, III_URL=url)
            for name, url in zip(NAMES, self.urls, strict=True)
        ]
        for packer in self.packers:
            packer.wait_for(lambda packer=packer: any(line.startswith("READY") for line in packer.lines), "READY")

    def _start(self, name, *arguments, **env):
        command = [sys.executable, *arguments]
        process = Process(name, command, env=environment(OTEL_ENABLED="false", **env), cwd=EXAMPLE)
        self._stack.callback(process.close)
        return process

    @staticmethod
    def _url(engine):
        found = []

        def says():
            found[:] = [match[0] for line in engine.lines if (match := re.search(r"ws://127\.0\.0\.1:\d+", line))]
            return found

        engine.wait_for(says, "its address", WAIT_S)
        return found[0]

    def send(self, count):
        """Run the sender at the second engine."""
        return self._start("sender", "parcels.py", str(count), III_URL=self.urls[1])

    def packed(self):
        return [[line.split()[1] for line in one.lines if line.startswith("PACKED")] for one in self.packers]


@pytest.fixture
def shop():
    with redis_server() as server, ExitStack() as stack:
        yield Shop(stack, server.url)


@pytest.mark.e2e
def test_both_pack_and_one_takes_over_what_a_killed_one_had(shop):
    sender = shop.send(20)
    assert sender.exit_code(WAIT_S) == 0, sender.said()
    sender.wait_for(lambda: "DONE 20 dead 0" in sender.lines, "DONE")
    until(lambda: sum(map(len, shop.packed())) >= 20)  # their last lines may come after the sender's
    ada, grace = shop.packed()
    assert ada
    assert grace
    assert sorted(map(int, ada + grace)) == list(range(20)), [e.said() for e in shop.engines]

    sender = shop.send(60)
    shop.packers[0].wait_for(lambda: len(shop.packed()[0]) > len(ada), "another parcel")
    shop.engines[0].send_signal(signal.SIGKILL)
    assert sender.exit_code(WAIT_S) == 0, sender.said()
    sender.wait_for(lambda: "DONE 80 dead 0" in sender.lines, "DONE")
    until(lambda: len({int(one) for packed in shop.packed() for one in packed}) == 60)
    again = shop.packed()[1][len(grace) :]
    assert len(again) == len(set(again))
