"""Which of the engine's own spans are recorded (observability.md §8)."""

import pytest

from iii_actors.builtin.observability.sampling import Sampler
from iii_actors.builtin.observability.wildcards import fits
from iii_actors.config.observability import ObservabilitySettings

LOW, HIGH = "f" * 16 + "0" * 16, "0" * 16 + "f" * 16


def sampler(now=lambda: 0.0, **settings):
    return Sampler(ObservabilitySettings.model_validate(settings), now)


def test_everything_by_default():
    assert sampler()("n", HIGH, None)


@pytest.mark.parametrize(("ratio", "recorded"), [(0, [False, False]), (0.5, [True, False]), (1, [True, True])])
def test_a_share_by_the_trace_s_id(ratio, recorded):
    decide = sampler(sampling_ratio=ratio)
    assert [decide("n", trace_id, None) for trace_id in (LOW, HIGH)] == recorded


def test_the_parent_decides_unless_told_otherwise():
    assert not sampler()("n", LOW, False)
    assert sampler(sampling_ratio=0)("n", HIGH, True)
    assert sampler(sampling={"parent_based": False})("n", LOW, False)


def test_the_first_rule_that_fits():
    rules = [
        {"operation": "GET /a*", "rate": 0},
        {"operation": "GET /?", "service": "i*", "rate": 1},
        {"service": "x", "rate": 1},
    ]
    decide = sampler(sampling={"default": 0, "rules": rules})
    assert [decide(name, HIGH, None) for name in ("GET /abc", "GET /b", "GET /bc")] == [False, True, False]


def test_so_many_new_traces_a_second():
    now = [0.0]
    decide = sampler(lambda: now[0], sampling={"rate_limit": {"max_traces_per_second": 2}})
    assert [decide("n", HIGH, None) for _ in range(4)] == [True, True, False, False]
    assert decide("n", HIGH, True), "a trace from outside is no new one"
    now[0] = 1.0
    assert decide("n", HIGH, None)


@pytest.mark.parametrize(
    ("name", "pattern", "fitting"),
    [("abc", "a*", True), ("abc", "a?c", True), ("abc", "a?", False), ("[x]", "[x]", True), ("x", "[x]", False)],
)
def test_wildcards(name, pattern, fitting):
    assert fits(name, pattern) is fitting
