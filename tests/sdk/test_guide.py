"""The guide, docs/sdk.rst: its code runs, in order, and its numbers are the package's."""

import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

import iii_actors
import iii_worker
from iii_worker import limits
from tests.sdk.test_examples import PROGRAMS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sdk.rst"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs(monkeypatch):
    names = ("iii-http", "iii-state", "iii-pubsub", "iii-queue")
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}]
    workers += [{"name": name, "config": {"port": 0} if name == "iii-http" else {}} for name in names]
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", TEXT)
    assert len(blocks) >= 10
    code = "\n".join(textwrap.dedent(block) for block in blocks)
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as engine:
        monkeypatch.setenv("III_URL", engine.url)
        module = types.ModuleType("page")
        monkeypatch.setitem(sys.modules, "page", module)
        page = vars(module)
        try:
            exec(compile(code, str(PAGE), "exec"), page)
            assert [(one.type, one.wait(10)) for one in page["worker"].triggers] == [
                ("orders::placed", True),
                ("http", True),
                ("http", True),
            ]
        finally:
            page["worker"].shutdown()


def test_its_limits_are_the_packages():
    section = TEXT.split("\nLimits\n------\n")[1].split("\n-----")[0]
    rows = re.findall(r"\* - ``([A-Z_]+)``\n     - (.+)\n", section)
    assert len(rows) >= 10
    for name, value in rows:
        assert eval(value, {"MIB": limits.MIB}) == getattr(limits, name), name


def test_it_names_what_there_is():
    for name in re.findall(r"``worker\.([a-z_]+)", TEXT) + re.findall(r"``@worker\.([a-z_]+)", TEXT):
        assert hasattr(iii_worker.IIIClient, name), name
    for name in re.findall(r"``iii_worker\.([A-Z]\w+)", TEXT):
        assert hasattr(iii_worker, name), name


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_has_each_example(program):
    assert f"../examples/sdk/{program.name}" in TEXT


def test_its_links_lead_somewhere():
    for target in re.findall(r"<([\w./-]+)>`_", TEXT):
        assert (PAGE.parent / target).exists(), target
