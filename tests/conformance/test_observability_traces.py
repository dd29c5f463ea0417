"""``engine::traces::*`` (observability.md §5)."""

import pytest

from tests.support.peer import CallFailed
from tests.support.telemetry import Uplink, named, observed, span, traces

A, B, C = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture(scope="module")
def peer():
    with observed() as (engine, peer), Uplink(engine) as uplink:
        peer.call("engine::traces::clear", {})
        uplink.say(
            traces(
                span("checkout", traceId=A, spanId="01", lasts_ms=300, attributes={"user": "1", "iii.tag.kind": "old"}),
                span("pay", traceId=A, spanId="02", parentSpanId="01", at_ms=10, status={"code": 2}),
                span("card", traceId=A, spanId="03", parentSpanId="02", at_ms=20, attributes={"iii.tag.kind": "new"}),
                service="shop",
            ),
            traces(
                span("browse", traceId=B, spanId="04", at_ms=1000, lasts_ms=50, attributes={"user": "2"}),
                span("lost child", traceId=C, spanId="05", parentSpanId="ff", at_ms=2000, lasts_ms=5),
                service="Front",
            ),
            traces(
                span("hidden", spanId="06", traceId="d" * 32, attributes={"iii.function.kind": "internal"}),
                span("hidden too", spanId="07", traceId="e" * 32, attributes={"function_id": "engine::x"}),
            ),
        )
        yield peer


def names(peer, **query):
    return [one["name"] for one in peer.call("engine::traces::list", query)["spans"]]


def test_roots_by_their_beginning(peer):
    found = peer.call("engine::traces::list", {})
    assert [one["name"] for one in found["spans"]] == ["checkout", "browse", "lost child"]
    assert (found["total"], found["offset"], found["limit"]) == (3, 0, 100)
    assert found["storage"] == {
        "archive": "disabled",
        "completeness": "complete",
        "known_dropped_spans": 0,
        "physical_bytes": 0,
        "max_disk_bytes": 0,
        "last_error": None,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"trace_id": A}, ["checkout"]),
        ({"trace_ids": [B, C, B]}, ["browse", "lost child"]),
        ({"trace_id": A, "trace_ids": [B]}, []),
        ({"service_name": "FRONT"}, ["browse", "lost child"]),
        ({"name": "ROW"}, ["browse"]),
        ({"name": "card"}, []),
        ({"status": "UNSET", "min_duration_ms": 50}, ["checkout", "browse"]),
        ({"max_duration_ms": 50}, ["browse", "lost child"]),
        ({"start_time": 1_700_000_000_301}, ["browse", "lost child"]),
        ({"end_time": 1_700_000_000_999}, ["checkout"]),
        ({"attributes": [["user", "1"]]}, ["checkout"]),
        ({"attributes": [["user", "1"], ["user", "2"]]}, []),
        ({"exclude_attributes": [["user", "1"], ["user", "2"]]}, ["lost child"]),
        ({"sort_by": "duration"}, ["lost child", "browse", "checkout"]),
        ({"sort_by": "duration_ms", "sort_order": "desc"}, ["checkout", "browse", "lost child"]),
        ({"sort_by": "name"}, ["browse", "checkout", "lost child"]),
        ({"sort_by": "service_name", "sort_order": "desc"}, ["checkout", "browse", "lost child"]),
        ({"offset": 1, "limit": 1}, ["browse"]),
        ({"limit": 0}, []),
        ({"search_all_spans": True}, ["checkout", "pay", "card", "browse", "lost child"]),
        ({"search_all_spans": True, "name": "card"}, ["checkout", "pay", "card"]),
        ({"search_all_spans": True, "attributes": [["iii.tag.kind", "new"]]}, ["checkout", "pay", "card"]),
        ({"search_all_spans": True, "status": "error"}, ["pay"]),
        ({"include_internal": True, "name": "hidden"}, ["hidden", "hidden too"]),
    ],
)
def test_filters_order_and_pages(peer, query, found):
    assert names(peer, **query) == found


def test_total_counts_before_paging(peer):
    assert peer.call("engine::traces::list", {"limit": 1})["total"] == 3


def test_a_trace_s_tags_stand_at_each_of_its_spans_the_latest_win(peer):
    spans = {one["name"]: one for one in peer.call("engine::traces::list", {})["spans"]}
    assert spans["checkout"]["trace_tags"] == {"iii.tag.kind": "new"}
    assert "trace_tags" not in spans["browse"]


@pytest.mark.parametrize("query", [{"sort_by": "colour"}, {"limit": -1}, {"attributes": ["x"]}, {"trace_ids": A}, []])
def test_a_wrong_query_is_refused(peer, query):
    with pytest.raises(CallFailed) as failed:
        peer.call("engine::traces::list", query)
    assert failed.value.code == "deserialization_error"


def test_a_tree(peer):
    found = peer.call("engine::traces::tree", {"trace_id": A})
    (root,) = found["roots"]
    (pay,) = root["children"]
    (card,) = pay["children"]
    assert (root["name"], pay["name"], card["name"], card["children"]) == ("checkout", "pay", "card", [])
    assert found["storage"]["archive"] == "disabled"
    (lost,) = peer.call("engine::traces::tree", {"trace_id": C})["roots"]
    assert lost["name"] == "lost child", "its parent is not kept"
    assert peer.call("engine::traces::tree", {"trace_id": "9" * 32})["roots"] == []


def test_groups_newest_first(peer):
    found = peer.call("engine::traces::group_by", {"attribute": "user", "label_attribute": "iii.tag.kind"})["groups"]
    assert [one["value"] for one in found] == ["2", "1"]
    assert found[1] == {
        "value": "1",
        "label": "old",
        "trace_ids": [A],
        "span_count": 1,
        "first_seen_ms": 1_700_000_000_000,
        "last_seen_ms": 1_700_000_000_300,
        "duration_ms": 300.0,
        "error_count": 0,
    }
    later = peer.call("engine::traces::group_by", {"attribute": "user", "since_ms": 1_700_000_000_500})["groups"]
    assert [one["value"] for one in later] == ["2"]
    assert len(peer.call("engine::traces::group_by", {"attribute": "user", "limit": 1})["groups"]) == 1


def test_collapsed_and_childless_spans_are_left_out_of_trees_and_their_children_move_up():
    with observed(collapse_spans=["pa?", "x*"]) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(
            traces(
                span("top", traceId=A, spanId="01"),
                span("pay", traceId=A, spanId="02", parentSpanId="01"),
                span("xyz", traceId=A, spanId="03", parentSpanId="02"),
                span("leaf", traceId=A, spanId="04", parentSpanId="03"),
                span("state_triggers", traceId=A, spanId="05", parentSpanId="01"),
                span("stream_triggers", traceId=A, spanId="06", parentSpanId="01"),
                span("handler", traceId=A, spanId="07", parentSpanId="06"),
            )
        )
        (root,) = peer.call("engine::traces::tree", {"trace_id": A})["roots"]
        assert [one["name"] for one in root["children"]] == ["leaf", "stream_triggers"]
        assert [one["name"] for one in root["children"][1]["children"]] == ["handler"]


def test_what_is_deeper_than_any_reader_likes_and_what_goes_round_in_circles():
    with observed() as (engine, peer), Uplink(engine) as uplink:
        deep = [span(f"s{n}", traceId=A, spanId=f"{n:x}", parentSpanId=f"{n - 1:x}", at_ms=n) for n in range(1, 600)]
        round_and_round = [
            span("o", traceId=B, spanId="1", parentSpanId="2"),
            span("p", traceId=B, spanId="2", parentSpanId="1"),
        ]
        alone = span("self", traceId=C, spanId="1", parentSpanId="1")
        uplink.say(traces(*deep, *round_and_round, alone))
        node, seen, depth = peer.call("engine::traces::tree", {"trace_id": A})["roots"], 0, 0
        while node:
            seen, depth = seen + len(node), depth + 1
            node = [child for one in node for child in one["children"]]
        assert (seen, depth) == (599, 100)
        assert peer.call("engine::traces::tree", {"trace_id": B})["roots"] == []
        (root,) = peer.call("engine::traces::tree", {"trace_id": C})["roots"]
        assert root["children"] == []


def test_clearing():
    with observed() as (engine, peer), Uplink(engine) as uplink:
        uplink.say(traces(span("gone")))
        named(peer, "gone")
        assert peer.call("engine::traces::clear", {}) == {"success": True}
        assert not [one for one in names(peer, include_internal=True) if one == "gone"]


@pytest.mark.parametrize("settings", [{"enabled": False}, {"exporter": "otlp", "endpoint": "http://127.0.0.1:1"}])
def test_without_a_store(settings):
    with observed(**settings) as (_, peer):
        for what in ("list", "tree", "group_by", "clear"):
            with pytest.raises(CallFailed) as failed:
                peer.call(f"engine::traces::{what}", {"trace_id": A, "attribute": "x"})
            assert (failed.value.code, failed.value.message) == (
                "memory_exporter_not_enabled",
                "In-memory span storage is not available. Set exporter: memory or both in config.",
            )


def test_the_oldest_go_first():
    with observed(memory_max_spans=3) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(traces(*(span(f"s{n}", spanId=f"{n:016x}") for n in range(1, 6))))
        found = peer.call("engine::traces::list", {"search_all_spans": True})
        assert [one["name"] for one in found["spans"]] == ["s3", "s4", "s5"]
        assert found["storage"]["completeness"] == "partial"
        assert found["storage"]["known_dropped_spans"] >= 2
