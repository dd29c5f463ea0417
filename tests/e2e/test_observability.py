"""What official Python workers tell of themselves arrives, and is listed (observability.md §2)."""

import pytest

from tests.e2e.support.names import unique
from tests.support.telemetry import eventually


@pytest.fixture
def probe(shared, python_sdk):
    return shared.probe(python_sdk)


def test_the_spans_of_a_call_are_one_tree(probe, peer):
    function_id = unique("e2e::traced")
    probe.offer(function_id, "nothing")
    peer.call(function_id, {}, traceparent=f"00-{'a' * 31}1-{'b' * 16}-01")

    def executed():
        found = peer.call("engine::traces::tree", {"trace_id": "a" * 31 + "1"})["roots"]
        return [one for one in found if one["name"].endswith(function_id)]

    (span,) = eventually(executed, bool)
    assert span["parent_span_id"] == "b" * 16
    assert span["end_time_unix_nano"] > span["start_time_unix_nano"]
    assert span["service_name"]


def test_a_worker_s_log_is_part_of_its_call_s_trace(probe, peer, python_sdk):
    function_id, text = unique("e2e::logs"), unique("something odd")
    probe.offer(function_id, "logs")
    trace_id = "c" * 31 + "1"
    peer.call(function_id, {"text": text}, traceparent=f"00-{trace_id}-{'d' * 16}-01")

    def said():
        return [one for one in peer.call("engine::logs::list", {})["logs"] if one["body"] == text]

    (log,) = eventually(said, bool)
    assert log["trace_id"] == (None if python_sdk == "0.23.0" else trace_id), "the oldest SDK does not say it"
    assert log["severity_text"] == "WARN"
    assert log["attributes"]["log.data"]
