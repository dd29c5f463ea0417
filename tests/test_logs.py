import io
import json
import logging
import re

import pytest

from iii_actors import logs


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raises
    root.setLevel(level)


@pytest.fixture
def human():
    stream = io.StringIO()
    logs.setup("info", "default", stream)
    return stream


@pytest.fixture
def machine():
    stream = io.StringIO()
    logs.setup("trace", "json", stream)
    return stream


def test_a_line_for_people(human):
    logging.getLogger("iii_actors.core").warning("Function %s", "a::b")
    assert re.fullmatch(
        r"\[(0\d|1[0-2]):\d\d:\d\d\.\d{3} [AP]M\] \[WARN\] iii_actors\.core Function a::b\n", human.getvalue()
    )


def test_fields_become_a_tree(human):
    logging.getLogger("x").info("Connected", extra={"worker_id": "w1", "counts": {"functions": 2}})
    first, *tree = human.getvalue().splitlines()
    assert first.endswith("[INFO] x Connected")
    assert tree == ["    ├ worker_id: w1", '    └ counts: {"functions": 2}']


def test_what_peers_send_writes_no_lines_and_no_commands(human):
    logging.getLogger("x").error("bad id %s", "a\nb\r\x1b[2J\x9b", extra={"note": "\x1b]0;t\x07\n"})
    assert human.getvalue().splitlines()[0].endswith(r"bad id a\nb\r\x1b[2J\x9b")
    assert human.getvalue().splitlines()[1] == r"    └ note: \x1b]0;t\x07\n"


def test_a_traceback_stands_below_its_line(human):
    try:
        raise ValueError("oh")
    except ValueError:
        logging.getLogger("x").exception("Failed")
    lines = human.getvalue().splitlines()
    assert lines[0].endswith("[ERROR] x Failed")
    assert lines[-1] == "    ValueError: oh"


def test_a_line_for_machines(machine):
    logging.getLogger("iii_actors.core").warning("Grüße %d", 3, extra={"worker_id": "w1", "odd": object})
    line = json.loads(machine.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "level": "WARN",
        "fields": {"message": "Grüße 3", "worker_id": "w1", "odd": "<class 'object'>"},
        "target": "iii_actors.core",
    }


def test_a_traceback_is_a_field(machine):
    try:
        raise ValueError("oh")
    except ValueError:
        logging.getLogger("x").exception("Failed")
    assert json.loads(machine.getvalue())["fields"]["exception"].endswith("ValueError: oh")


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "TRACE"), (5, "TRACE"), (10, "DEBUG"), (20, "INFO"), (30, "WARN"), (40, "ERROR"), (50, "ERROR")],
)
def test_levels_in_the_protocols_words(machine, number, name):
    logging.getLogger().setLevel(1)
    logging.getLogger("x").log(number, "m")
    assert json.loads(machine.getvalue())["level"] == name


@pytest.mark.parametrize(("level", "least"), [("trace", 5), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40)])
def test_the_level_set_is_the_least_logged(level, least):
    stream = io.StringIO()
    logs.setup(level, "json", stream)
    for number in (1, 5, 10, 20, 30, 40):
        logging.getLogger("x").log(number, "%d", number)
    assert [int(json.loads(line)["fields"]["message"]) for line in stream.getvalue().splitlines()] == [
        number for number in (5, 10, 20, 30, 40) if number >= least
    ]


def test_what_was_set_up_before_is_replaced():
    logging.basicConfig(force=True)  # as websocket_server does when it is imported
    stream = io.StringIO()
    logs.setup("info", "default", stream)
    assert len(logging.getLogger().handlers) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals(monkeypatch, no_color, coloured):
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    logs.setup("info", "default", stream)
    logging.getLogger("x").info("m")
    assert ("\x1b[32mINFO\x1b[0m" in stream.getvalue()) is coloured


def test_json_is_never_coloured():
    stream = Terminal()
    logs.setup("info", "json", stream)
    logging.getLogger("x").info("m")
    assert "\x1b" not in stream.getvalue()


def test_a_closed_stream_is_not_reported(human, capsys):
    human.close()
    logging.getLogger("x").info("m")
    assert capsys.readouterr().err == ""
