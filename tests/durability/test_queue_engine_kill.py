"""`kill -9` of whole engines and of workers under load: every job with a receipt is done, and the books add up."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import iii_worker
from iii_worker import InvocationError, TriggerAction
from tests.durability.queue_sdk_worker import AT_ONCE, FUNCTION

ROOT = Path(__file__).parents[2]
MANY_ROUNDS = os.environ.get("III_ACTORS_KILL_ROUNDS")
ROUNDS = int(MANY_ROUNDS or 4)
"""Half of them engines, half of them workers."""
DURABILITIES = ["process", "disk"] if MANY_ROUNDS else ["process"]
PRODUCERS = 4
AHEAD = 300
"""As many jobs may wait, about."""
WAIT_S = 30.0


class Process:
    """A process of ours, and the lines it writes."""

    def __init__(self, *arguments, cwd, word):
        self._process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.lines = []
        self.count = 0
        """How many of them begin with `word`."""
        self._word = word
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._came:
                self.lines.append(line.rstrip("\n"))
                self.count += line.startswith(self._word)
                self._came.notify_all()

    def until(self, wanted):
        """Wait for so many such lines."""
        with self._came:
            assert self._came.wait_for(lambda: self.count >= wanted, WAIT_S), self.lines[-5:]

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()


class Site:
    """An engine on one folder, a worker and producers, over several lives."""

    def __init__(self, folder, port, durability):
        kept = {"store_method": "file_based", "file_path": str(folder / "data"), "durability": durability}
        work = {"backoff_ms": 5, "max_backoff_ms": 50, "max_retries": 1000}
        queue = {"adapter": {"name": "builtin", "config": kept}, "queue_configs": {"work": work}}
        workers = [
            {"name": "iii-worker-manager", "config": {"port": port}},
            {"name": "iii-queue", "config": queue},
        ]
        (folder / "engine.yaml").write_text(json.dumps({"workers": workers}))
        self.folder, self.url = folder, f"ws://127.0.0.1:{port}"
        self.worked, self.count = [], 0
        self.stored, self.lock = set(), threading.Lock()
        self.start_engine()
        self.start_worker()
        self.client = iii_worker.register_worker(self.url, reconnection_config=AT_ONCE)

    def start_engine(self):
        self.engine = Process("iii_actors", "-c", "engine.yaml", "--no-reload", cwd=self.folder, word="Ctrl-C stops")
        self.engine.until(1)

    def start_worker(self):
        self.worker = Process("tests.durability.queue_sdk_worker", self.url, cwd=ROOT, word="work")

    def kill_worker(self):
        self.worker.kill()
        self.worked += self.worker.lines
        self.count += self.worker.count

    def done(self):
        return [int(line.split()[1]) for line in (*self.worked, *self.worker.lines) if line.startswith("work")]

    def produce(self, first, stop):
        """Put jobs in until told to stop; those with a receipt are noted."""
        number, pause = first, threading.Event()
        while not stop.is_set():
            if len(self.stored) - self.count - self.worker.count > AHEAD:
                pause.wait(0.02)
                continue
            number += PRODUCERS
            try:
                given = self.client.trigger(
                    {
                        "function_id": FUNCTION,
                        "payload": {"n": number},
                        "action": TriggerAction.Enqueue(queue="work"),
                        "timeout_ms": 2000,
                    }
                )
            except InvocationError:
                continue
            assert given["messageReceiptId"]
            with self.lock:
                self.stored.add(number)

    def books(self):
        (counts,) = self.client.trigger({"function_id": "engine::queue::stats", "payload": {"queue": "work"}})["queues"]
        return counts

    def close(self):
        self.client.shutdown()
        self.worker.kill()
        self.engine.kill()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.parametrize("durability", DURABILITIES)
def test_every_job_with_a_receipt_is_done(durability, tmp_path, port):
    chance = random.Random(7)
    site = Site(tmp_path, port, durability)
    stop = threading.Event()
    producers = [threading.Thread(target=site.produce, args=(n, stop), daemon=True) for n in range(PRODUCERS)]
    for producer in producers:
        producer.start()
    try:
        for number in range(ROUNDS):
            site.worker.until(site.worker.count + chance.randrange(20, 300))
            if number % 2:
                site.kill_worker()
                site.start_worker()
            else:
                site.engine.kill()
                site.start_engine()
        stop.set()
        for producer in producers:
            producer.join(WAIT_S)
        settled(site)
        done, books = site.done(), site.books()
        lost = site.stored - set(done)
        assert not lost
        assert books["enqueued"] == books["done"] + books["dead"] + books["removed"]
        assert books["dead"] == books["removed"] == 0
        assert books["enqueued"] >= len(site.stored)
        again = len(done) - len(set(done))
        assert again <= ROUNDS * 64, "more were done twice than can have been under way"
    finally:
        stop.set()
        site.close()


def settled(site):
    """Wait until nothing waits."""
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        books = site.books()
        if not (books["waiting"] or books["delayed"] or books["in_flight"]):
            return
        pause.wait(0.05)
    raise AssertionError(books)
