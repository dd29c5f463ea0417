"""Channels between official workers: made by one, its end passed in a call, content through the engine."""

from tests.e2e.support.names import unique

LENGTH = 3_000_000
"""Bytes: many of the SDKs' 64 KiB frames, and more frames than a channel holds (64)."""


def test_the_caller_writes_and_the_callee_reads(pair):
    function_id = unique("e2e::read")
    pair.callee.offer(function_id, "read_channel")
    outcome = pair.caller.do("send_through_channel", function_id=function_id, length=LENGTH)
    assert outcome["read"] == {**outcome["sent"], "messages": ["begin"]}
    assert outcome["read"]["length"] == LENGTH


def test_the_callee_writes_and_the_caller_reads(pair):
    function_id = unique("e2e::write")
    pair.callee.offer(function_id, "write_channel")
    outcome = pair.caller.do("receive_through_channel", function_id=function_id, length=LENGTH)
    assert outcome["read"] == {**outcome["sent"], "messages": ["begin"]}
    assert outcome["read"]["length"] == LENGTH
