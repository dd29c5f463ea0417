"""A settings file that is edited under a running engine."""

import os
import signal

import pytest
import requests

from iii_actors import Engine, config
from iii_actors.cli.following import Follower
from tests.cli.test_serve import Process
from tests.support.peer import peers

WAIT_S = 20
ONE = "workers:\n  - {name: iii-worker-manager, config: {port: 0}}\n"
STATE = "  - {name: iii-state}\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "c.yaml").write_text(ONE, encoding="utf-8")
    return tmp_path / "c.yaml"


@pytest.fixture
def engine(path):
    with Engine(config.load(path)) as running:
        yield running


@pytest.fixture
def follower(path, engine):
    return Follower(path, engine, lambda: config.load(path))


def kinds(engine):
    return {one.id for one in engine.config.instances}


def test_a_change_is_gone_by(path, engine, follower):
    path.write_text(ONE + STATE, encoding="utf-8")
    follower.look()
    assert "iii-state" in kinds(engine)
    with peers(engine.url) as make:
        assert make("worker").call("state::set", {"scope": "s", "key": "k", "value": 1})["new_value"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workers: [", "is not YAML"),
        (ONE + "  - {name: nobody}\n", "c.yaml:3: workers[1].name: failed to create worker 'nobody'"),
        (ONE + "  - {name: iii-http, config: {port: x}}\n", "should be a whole number"),
        ("workers: ${NOWHERE_SET}", "NOWHERE_SET"),
    ],
)
def test_a_mistake_changes_nothing_and_is_told(path, engine, follower, caplog, text, said):
    before = engine.config
    path.write_text(text, encoding="utf-8")
    follower.look()
    assert engine.config is before
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert said in record.getMessage()
    assert "goes on by the settings it has" in record.getMessage()
    path.write_text(ONE + STATE, encoding="utf-8")
    follower.look()
    assert "iii-state" in kinds(engine), "and the mend is gone by"


def test_the_same_content_is_passed_over(path, engine, follower):
    before = engine.config
    os.utime(path)
    follower.look()
    assert engine.config is before


def test_a_file_that_is_gone_changes_nothing(path, engine, follower):
    before = engine.config
    path.unlink()
    follower.look()
    assert engine.config is before


@pytest.mark.parametrize("how", ["written", "replaced"])
def test_a_serving_process_follows_its_file(path, tmp_path, how):
    process = Process(tmp_path, "-c", "c.yaml")
    port = process.port
    process.until("Ctrl-C stops")
    text = ONE + "  - {name: iii-http, config: {port: 0}}\n"
    if how == "written":
        path.write_text(text, encoding="utf-8")
    else:
        (tmp_path / "new").write_text(text, encoding="utf-8")
        (tmp_path / "new").replace(path)
    http = process.until(r"HTTP on address: 127\.0\.0\.1:(\d+)")[1]
    assert requests.get(f"http://127.0.0.1:{http}/nowhere", timeout=WAIT_S).status_code == 404
    with peers(f"ws://127.0.0.1:{port}") as make:
        assert make("worker").call("engine::workers::list", {})
    process.signal(signal.SIGTERM)
    assert process.end() == (0, "")
