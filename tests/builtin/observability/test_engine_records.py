"""The engine's own spans and lines as they are kept (observability.md §4, §7)."""

import logging

import pytest

from iii_actors import __version__
from iii_actors.actor import launch
from iii_actors.builtin.observability.capture import WORKER_LOG, Capture
from iii_actors.builtin.observability.engine_records import EngineRecords, without_ansi
from iii_actors.builtin.observability.intake import LineLogged
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.core.observing import Happened, Noticed
from tests.support.probe import Probe

RECORDS = EngineRecords(ObservabilitySettings(service_name="mine"))
WORKER = "0af76519-16cd-43dd-8448-eb211c80319c"


def test_the_spans_of_a_connection_are_one_trace():
    came = RECORDS.discovery(Happened(5.0, Noticed("connect worker", WORKER, WORKER)))
    went = RECORDS.discovery(Happened(9.0, Noticed("clean up worker", WORKER, WORKER, lasted_s=1.0)))
    assert (came.trace_id, came.parent_span_id) == (WORKER.replace("-", ""), None)
    assert (went.trace_id, went.parent_span_id) == (came.trace_id, came.span_id)
    assert (went.start_time_unix_nano, went.end_time_unix_nano) == (8_000_000_000, 9_000_000_000)


def test_built_in_workers_make_no_such_spans_and_calls_of_the_engine_s_own_a_trace_each():
    assert RECORDS.discovery(Happened(5.0, Noticed("register function", "f", "iii-http"))) is None
    miss = RECORDS.discovery(Happened(5.0, Noticed("look-up miss", "f", None, error="function_not_found")))
    assert (miss.name, miss.parent_span_id, miss.status) == ("look-up miss f", None, "error")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bMup", "up"),
    ],
)
def test_escape_sequences_go(text, plain):
    assert without_ansi(text) == plain


@pytest.mark.parametrize(("number", "level"), [(5, "TRACE"), (10, "DEBUG"), (25, "INFO"), (30, "WARN"), (50, "ERROR")])
def test_a_line_of_the_engine_s(number, level):
    log = RECORDS.engine_line(LineLogged(5.0, number, "iii_actors.x", "m", {"n": 1}))
    assert (log.severity_text, log.attributes) == (level, {"target": "iii_actors.x", "n": 1})
    assert (log.instrumentation_scope_name, log.instrumentation_scope_version) == ("tracing", __version__)


@pytest.fixture
def capture(start_probe):
    made = Capture(start_probe.actor_ref, "warn")
    made.begin()
    yield made, start_probe
    made.end()


@pytest.fixture
def start_probe():
    probe = Probe()
    launch(probe)
    yield probe
    if probe.actor_ref.is_alive():
        probe.actor_ref.stop()


def test_lines_are_taken_by_level_and_workers_own_are_not(capture):
    made, probe = capture
    log = logging.getLogger("iii_actors.some.place")
    log.setLevel(1)
    try:
        log.info("too quiet")
        log.warning("loud %d", 1, extra={"job": "j"})
        logging.getLogger(WORKER_LOG).error("kept already")
        try:
            raise ValueError("why")
        except ValueError:
            log.exception("broken")
        made.follow("info")
        log.info("heard now")
    finally:
        log.setLevel(logging.NOTSET)
    assert [one.message for one in probe.told] == ["loud 1", "broken: ValueError('why')", "heard now"]
    assert probe.told[0].fields == {"job": "j"}
    assert probe.told[0].target == "iii_actors.some.place"


def test_it_harms_nobody_when_the_intake_is_gone_or_a_line_is_wrong(capture, monkeypatch):
    made, probe = capture
    said = []
    monkeypatch.setattr(made, "handleError", said.append)
    made.handle(logging.makeLogRecord({"name": "iii_actors.x", "msg": "one %d", "args": ("two",)}))
    assert len(said) == 1
    probe.actor_ref.stop()
    logging.getLogger("iii_actors.x").warning("after the end")
    assert len(said) == 1
