"""``--data-dir``: what is kept where, and what the start says about it."""

import json

import pytest

from iii_actors import Engine
from iii_actors.cli import serve
from iii_worker import register_worker


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder):
    return sorted(found.name for found in folder.iterdir())


def given(*arguments):
    options = serve._parser().parse_args(["--port", "0", *map(str, arguments)])
    return serve._settings(options)[0], serve._kept(options)


def with_free_ports(settings):
    for name in ("iii-http", "iii-stream"):
        settings = settings.with_worker(name, {**(settings.block(name) or {}), "port": 0})
    return settings


def asked(settings, *calls):
    """Run an engine, and return what it answers."""
    with Engine(with_free_ports(settings)) as engine:
        host, port = engine.listeners[0]
        worker = register_worker(f"ws://{host}:{port}")
        try:
            return [worker.trigger({"function_id": name, "payload": payload}) for name, payload in calls]
        finally:
            worker.shutdown()


def test_everything_that_outlives_the_engine_is_in_the_folder(elsewhere):
    settings, kept = given("--data-dir", "data")
    assert kept == "in data"
    asked(
        settings,
        ("state::set", {"scope": "s", "key": "k", "value": 5}),
        ("stream::set", {"stream_name": "t", "group_id": "g", "item_id": "i", "data": {"n": 6}}),
        ("iii::durable::publish", {"topic": "later", "data": 7}),
    )
    state, item, waiting = asked(
        settings,
        ("state::get", {"scope": "s", "key": "k"}),
        ("stream::get", {"stream_name": "t", "group_id": "g", "item_id": "i"}),
        ("engine::queue::topic_stats", {"topic": "later"}),
    )
    assert (state, item, waiting["depth"]) == (5, {"n": 6}, 1)
    assert names(elsewhere) == ["data"]
    assert {name for name in names(elsewhere / "data") if name.endswith(".sqlite")} == {
        "state.sqlite",
        "stream.sqlite",
        "queue.sqlite",
    }


def test_without_it_nothing_is_written_and_the_start_says_so(elsewhere):
    settings, kept = given()
    assert "in memory" in kept
    assert "--data-dir DIR" in kept
    asked(settings, ("state::set", {"scope": "s", "key": "k", "value": 5}))
    assert names(elsewhere) == []
    banner = serve.banner([("127.0.0.1", 1)], [], "defaults", kept)
    assert f"\n  data      {kept}\n" in banner


def test_with_a_settings_file_it_is_where_relative_paths_begin(elsewhere):
    config = {"adapter": {"config": {"store_method": "file_based", "file_path": "st"}}}
    listed = [
        {"name": "iii-state", "config": config},
        {"name": "iii-stream", "config": {"port": 0}},
        {"name": "iii-http"},
    ]
    (elsewhere / "config.yaml").write_text(json.dumps({"workers": listed}))
    settings, kept = given("--data-dir", "data")
    assert kept == "in data"
    asked(settings, ("state::set", {"scope": "s", "key": "k", "value": 5}))
    assert "state.sqlite" in names(elsewhere / "data" / "st")
    assert names(elsewhere) == ["config.yaml", "data"]
    assert given()[1] is None
    assert "  data " not in serve.banner([("127.0.0.1", 1)], [], "config.yaml", None)


@pytest.mark.parametrize("wrong", ["", "a\0b"])
def test_what_is_no_folder_is_told(wrong, run):
    outcome = run("--data-dir", wrong)
    assert outcome.code == 2
    assert "--data-dir" in outcome.err


def test_a_file_in_the_folders_place_is_told(elsewhere, run):
    (elsewhere / "data").write_text("")
    config = {"adapter": {"config": {"store_method": "file_based", "file_path": "st"}}}
    (elsewhere / "config.yaml").write_text(json.dumps({"workers": [{"name": "iii-state", "config": config}]}))
    outcome = run("--port", "0", "--data-dir", "data")
    assert outcome.code == 1
    assert "data/" in outcome.err
    assert outcome.err.count("\n") == 1
