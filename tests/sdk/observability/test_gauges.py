"""What the process uses."""

import os
from pathlib import Path

import pytest

from iii_worker.observability import gauges
from iii_worker.observability.gauges import ProcessGauges


def named(points):
    return {point.name.removeprefix("iii.worker."): point for point in points}


def test_each_worker_has_its_points():
    points = ProcessGauges().read([("1", "a"), ("2", "b")])
    assert {point.attributes["worker.id"] for point in points} == {"1", "2"}
    assert {point.attributes["worker.name"] for point in points} == {"a", "b"}
    assert {"cpu.percent", "cpu.user_micros", "cpu.system_micros", "uptime_seconds"} <= set(named(points))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
def test_memory_is_that_of_this_process():
    points = named(ProcessGauges().read([("1", "a")]))
    assert 2**20 < points["memory.rss"].value < points["memory.vms"].value
    assert points["memory.rss"].value % os.sysconf("SC_PAGE_SIZE") == 0


def test_the_processor_share_is_that_since_the_last_reading():
    reader = ProcessGauges()
    reader.read([])
    sum(range(2_000_000))
    assert named(reader.read([("1", "a")]))["cpu.percent"].value > 0


def test_a_system_that_does_not_tell_is_no_error(monkeypatch):
    monkeypatch.setattr(gauges, "_STATM", Path("/does/not/exist"))
    assert "memory.rss" not in named(ProcessGauges().read([("1", "a")]))
