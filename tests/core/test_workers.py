"""iii_actors.core.workers: who is connected, under which name (core.md §3.3-§3.5, §8.3)."""

import threading

import msgspec
import pytest

from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.messages import (
    AddBuiltin,
    Describe,
    FindPredecessor,
    FindWorker,
    Join,
    Leave,
    ListWorkers,
    RemoveBuiltin,
    TearDown,
    WorkerEvent,
)
from iii_actors.core.queries import WatchWorkers
from iii_actors.core.workers import Departure, Telemetry, WorkerDetails, WorkerRecord, Workers, sanitised
from iii_actors.wire import messages as wire


class Registry:
    def __init__(self, start, probe):
        self.clock = ManualClock(1000.0)
        self.ref = start(Workers(self.clock))
        self.watcher, self.connection = probe(), probe()
        ask(self.ref, WatchWorkers(self.watcher.actor_ref))

    def join(self, worker_id, departure=None):
        return ask(self.ref, Join(worker_id, f"token-{worker_id}", self.connection.actor_ref, "::1", departure))

    def describe(self, worker_id, namespace="default", **details):
        return ask(self.ref, Describe(worker_id, namespace, WorkerDetails(**details)))

    def find(self, worker_id):
        return ask(self.ref, FindWorker(worker_id))

    def predecessor(self, sender, previous, token):
        return ask(self.ref, FindPredecessor(sender, previous, token))


@pytest.fixture
def registry(start, probe):
    return Registry(start, probe)


def conflict(owner, name="n", namespace="default"):
    return wire.RegistrationRejected("WORKER_NAMESPACE_CONFLICT", namespace, owner, worker_name=name)


def test_who_joins_has_a_record(registry):
    record = registry.join("a")
    assert record == WorkerRecord("a", 1000.0, ip_address="::1")
    assert (record.status, record.namespace, record.name) == ("connected", "default", None)
    assert registry.find("a") == record
    assert registry.find("b") is None


def test_a_description_overwrites_keeps_or_clears(registry):
    registry.join("a")
    everything = {
        "name": "n", "description": "d", "runtime": "python", "version": "1", "os": "Linux", "pid": 7,
        "isolation": "docker", "telemetry": Telemetry("en", "p", "f"),
    }  # fmt: skip
    assert registry.describe("a", "team", **everything) is None
    record = registry.find("a")
    assert record.namespace == "team"
    assert {key: getattr(record, key) for key in everything} == everything
    registry.describe("a", "team")
    record = registry.find("a")
    kept = {key: everything[key] for key in ("name", "description", "os", "pid", "isolation")}
    assert {key: getattr(record, key) for key in kept} == kept
    assert (record.runtime, record.version, record.telemetry) == ("unknown", None, None)


@pytest.mark.parametrize("pid", [-1, 2**32, 1.5, "7", True])
def test_a_pid_is_an_unsigned_32_bit_number(pid):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"pid": pid}), type=WorkerDetails)


@pytest.mark.parametrize("pid", [0, 2**32 - 1, None])
def test_pids_that_there_are(pid):
    assert msgspec.json.decode(msgspec.json.encode({"pid": pid}), type=WorkerDetails).pid == pid


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("plain", "plain"),
        ("  padded\t", "padded"),
        ("a\nb\x00c\x7fd\x9fe", "abcde"),
        ("x\u202ay\u2069z\u2028\u2029", "xyz"),
        ("n" * 300, "n" * 280),
        (" " * 10 + "n" * 280, "n" * 270),
        ("\x01" * 50 + "n" * 280, "n" * 280),
        (" \t ", None),
        ("", None),
        (None, None),
        ("über\u200b", "über\u200b"),
    ],
)
def test_names_are_sanitised(raw, stored):
    assert sanitised(raw) == stored


def test_a_name_is_held_by_one(registry):
    registry.join("a")
    registry.join("b")
    assert registry.describe("a", name="n") is None
    assert registry.describe("b", name=" n\n", version="2") == conflict("a")
    assert registry.find("b").version is None
    assert registry.describe("b", "other", name="n") is None
    assert registry.describe("a", name="n", version="3") is None


def test_without_a_name_nobody_conflicts(registry):
    for worker_id in "abc":
        registry.join(worker_id)
        assert registry.describe(worker_id, name="\x00 ") is None
        assert registry.find(worker_id).name is None


@pytest.mark.parametrize("how", [TearDown, Leave])
def test_a_leaver_s_name_is_free(registry, how):
    registry.join("a")
    registry.join("b")
    registry.describe("a", name="n")
    ask(registry.ref, how("a"))
    assert registry.describe("b", name="n") is None
    ask(registry.ref, Leave("a"))
    registry.join("c")
    assert registry.describe("c", name="n") == conflict("b")


def test_who_is_leaving_claims_nothing(registry):
    registry.join("a")
    ask(registry.ref, TearDown("a"))
    assert registry.describe("a", name="n") == conflict("")
    registry.join("b")
    assert registry.describe("b", name="n") is None


def test_leaving_happens_once(registry):
    registry.join("a")
    ask(registry.ref, Leave("a"))
    ask(registry.ref, Leave("a"))
    ask(registry.ref, TearDown("a"))
    assert registry.watcher.take() == [WorkerEvent("worker_disconnected", "a")]
    assert ask(registry.ref, ListWorkers()) == []


def test_events_are_passed_on(registry):
    event = WorkerEvent("worker_connected", "a")
    registry.ref.tell(event)
    assert registry.watcher.take() == [event]


def test_built_in_workers_are_listed(registry):
    record = WorkerRecord("builtin", 0.0, name="b", in_process=True)
    ask(registry.ref, AddBuiltin(record))
    registry.join("a")
    assert [one.worker_id for one in ask(registry.ref, ListWorkers())] == ["builtin", "a"]
    ask(registry.ref, RemoveBuiltin("builtin"))
    assert registry.find("builtin") is None


def test_a_predecessor_is_found_by_id_and_token(registry):
    departure = object()
    registry.join("old", departure)
    registry.join("new")
    assert registry.predecessor("new", "old", "token-old") is departure
    for sender, previous, token in [
        ("new", "old", "token-new"), ("new", "old", None), ("new", "old", ""), ("new", "gone", "token-gone"),
        ("old", "old", "token-old"), ("new", "", None), ("new", "old", "tökén"),
    ]:  # fmt: skip
        assert registry.predecessor(sender, previous, token) is None
    ask(registry.ref, Leave("old"))
    assert registry.predecessor("new", "old", "token-old") is None


class Leaving:
    """A departure whose clean-up waits to be let go."""

    def __init__(self):
        self.go, self.begun = threading.Event(), threading.Event()
        self.cuts, self.runs = 0, 0
        self.departure = Departure(self._cut, self._clean_up)

    def _cut(self):
        self.cuts += 1

    def _clean_up(self):
        self.runs += 1
        self.begun.set()
        assert self.go.wait(10)


def test_a_departure_runs_once_and_everybody_waits_for_it():
    leaving = Leaving()
    through = threading.Barrier(5)

    def depart():
        leaving.departure.run()
        through.wait(10)

    threads = [threading.Thread(target=depart) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert leaving.begun.wait(10)
    assert through.n_waiting == 0
    leaving.go.set()
    through.wait(10)
    for thread in threads:
        thread.join()
    assert leaving.runs == 1


def test_an_eviction_cuts_and_cleans_up_itself_where_nobody_does():
    leaving = Leaving()
    leaving.go.set()
    leaving.departure.evict(0.0)
    assert (leaving.cuts, leaving.runs) == (1, 1)


def test_a_clean_up_that_fails_keeps_nobody_waiting():
    def fail():
        raise ValueError("broken")

    departure = Departure(lambda: None, fail)
    with pytest.raises(ValueError, match="broken"):
        departure.run()
    departure.run()
    departure.evict(10.0)
