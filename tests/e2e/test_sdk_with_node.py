"""Our SDK for Python and the official one for Node, in two processes, by the example that shows it."""

import sys

import pytest

from tests.e2e.support.environments import EXAMPLES


@pytest.fixture
def shop_worker(shop):
    """The engine's port, and both workers, as their docstrings say."""
    engine = shop.engine()
    python = shop.run("shop", [sys.executable, EXAMPLES / "sdk" / "with_node.py"], III_URL=engine.url)
    python.expect("^READY shop::sell")
    node = shop.run("prices", shop._command("node", EXAMPLES / "node", "prices"), III_URL=engine.url)
    python.expect("^FOUND prices::get by prices")
    node.expect("^BOUND prices::changed -> shop::price_changed")
    return engine, python, node


def test_they_call_and_hear_of_each_other(shop, shop_worker):
    engine, python, node = shop_worker

    def call(function_id, *arguments):
        command = [sys.executable, "-m", "iii_actors", "call", function_id, *arguments, "--port", str(engine.port)]
        process = shop.run("call", command)
        code = process.exit_code()
        process.wait_for(lambda: process.ended, "the end of its output")
        return code, "".join(process.lines)

    assert call("shop::sell", "item=tea") == (0, '{  "total": 3}')
    python.expect("^SOLD 1 tea at 3$")
    assert call("shop::sell", "item=tea", "count=2") == (0, '{  "total": 6}')
    node.expect("^RAISED tea to 4$")
    python.expect("^PRICE tea 4$")
    assert call("shop::sell", "item=tea") == (0, '{  "total": 4}')
    code, said = call("shop::sell", "item=soap")
    assert code == 1
    assert "nobody sells soap" in said
    code, said = call("shop::sell", "count=2")
    assert code == 1
    assert "invalid_request" in said
    assert "item" in said
    assert [line for line in node.lines if "RAISED" in line] == ["RAISED tea to 4"], "one is below at_least"


def test_they_find_each_other_again_when_the_engine_was_killed(shop, shop_worker):
    engine, _, node = shop_worker
    before = node.mark()
    engine.kill()
    engine.start()
    node.expect("^BOUND prices::changed -> shop::price_changed", after=before, timeout=40)
    command = [sys.executable, "-m", "iii_actors", "call", "shop::sell", "item=cake", "--port", str(engine.port)]
    call = shop.run("call", command)
    assert call.exit_code() == 0, call.said()
    assert engine.faults() == []
