"""What an engine loads to start: what it is about to use, and nothing that only some will need later."""

import gc
import os
import subprocess
import sys

import pytest

from iii_actors.cli.starting import quickly
from iii_actors.config.models import BUILT_IN

BARE = """
config = EngineConfig.listening(port=0)
"""
USUAL = """
from iii_actors.config.models import BUILT_IN
workers = [
    {"name": name, "config": {"port": 0} if "port" in one.settings.model_fields else {}}
    for name, one in BUILT_IN.items()
    if one.default or name == "iii-worker-manager"
]
config = EngineConfig(workers=workers)
"""
PROGRAM = """
import sys
from iii_actors import Engine, EngineConfig
{config}
with Engine(config):
    print(*sys.modules)
"""

NOT_YET = {
    "croniter": "the first cron job",
    "iii_actors.builtin.http.openapi": "whoever asks for the routes' description",
    "iii_worker": "the engine's users: it does without",
    "pika": "an adapter",
    "redis": "an adapter",
    "requests": "functions that are invoked over HTTP",
    "yaml": "a settings file",
}
"""Module to what will need it."""


def loaded(config: str) -> set[str]:
    program = PROGRAM.format(config=config)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_the_usual_engine_loads_what_it_uses():
    modules = loaded(USUAL)
    assert {"uvicorn", "iii_actors.builtin.cron.scheduler"} <= modules
    assert not {name: why for name, why in NOT_YET.items() if name in modules}


def test_a_built_in_worker_that_does_not_run_is_not_loaded():
    modules = loaded(BARE)
    assert not modules & {"asyncio", "sqlite3", "uvicorn", "uvloop", *NOT_YET}
    packages = {name.split(".")[2] for name in modules if name.startswith("iii_actors.builtin.")}
    always = {kind.removeprefix("iii-").replace("-", "_") for kind, one in BUILT_IN.items() if one.always}
    others = {kind.removeprefix("iii-").replace("-", "_") for kind in BUILT_IN} - always
    assert not packages & others


@pytest.mark.parametrize("given", [None, "mine"])
def test_starting_quickly_leaves_everything_as_it_was(given, monkeypatch):
    if given is None:
        monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    else:
        monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", given)
    with quickly():
        assert not gc.isenabled()
        assert os.environ["PYDANTIC_DISABLE_PLUGINS"] == (given or "__all__")
    assert gc.isenabled()
    assert os.environ.get("PYDANTIC_DISABLE_PLUGINS") == given


def test_starting_quickly_does_not_switch_on_what_was_off():
    gc.disable()
    try:
        with quickly():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
