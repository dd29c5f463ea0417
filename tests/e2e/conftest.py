"""Real engines, real official SDKs: all of it in processes.

What each test may use: an engine process of its own or one that all share, probes (official workers that do as they are
told, in every SDK there is), and the workers of `examples/`. Everything ends with the fixture that started it.

Where all is required (CI) that is the oldest and the newest Python SDK there is to serve, else the newest only.
"""

from __future__ import annotations

import functools
import itertools
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.support.environments import (
    EXAMPLES,
    INSTALL_S,
    REQUIRE_ALL,
    missing_environments,
    node_with_sdk,
    python_with_sdk,
)
from tests.e2e.support.names import unique
from tests.e2e.support.probe import Probe
from tests.e2e.support.process import EngineProcess, Process, environment
from tests.support.peer import Peer, peers

HERE = Path(__file__).parent
PROBES = HERE / "probes"
PYTHON_SDKS = ("0.23.0", "newest") if REQUIRE_ALL else ("newest",)
NODE = "node"
PAIRS = [
    *[(NODE, version) for version in PYTHON_SDKS],
    *[(version, NODE) for version in PYTHON_SDKS],
    *itertools.pairwise(PYTHON_SDKS),
]
"""Who calls and who is called: Node, or the version of the Python SDK."""

_python = functools.cache(python_with_sdk)
_node = functools.cache(node_with_sdk)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here is ``e2e``; and the first test that needs an SDK may have to install it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            if REQUIRE_ALL:
                item.add_marker(pytest.mark.timeout(INSTALL_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs SDKs that are not here, and what is slow unless it is asked for: here, so that pytest's summary
    says each reason once and not once a test."""
    if REQUIRE_ALL:
        return
    if item.get_closest_marker("slow") and "slow" not in item.config.getoption("-m"):
        pytest.skip("takes more than a minute; III_ACTORS_REQUIRE_ALL=1 or -m slow runs it")
    if {"shop", "shared"} & set(getattr(item, "fixturenames", ())):
        missing = missing_environments(PYTHON_SDKS)
        if missing:
            pytest.skip(missing)


class Shop:
    """Starts processes for one fixture, and ends them with it."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def engine(self, *arguments: str) -> EngineProcess:
        engine = EngineProcess(self._room, *arguments)
        self._stack.callback(engine.close)
        engine.start()
        return engine

    def probe(self, kind: str, url: str, name: str | None = None, *, ready: bool = True, **variables: str) -> Probe:
        """Start an official worker that does as it is told; ``ready`` waits until the engine knows it."""
        name = name or unique(f"probe-{kind}")
        env = environment(III_URL=url, **variables)
        probe = Probe(name, kind, [*self._command(kind, PROBES), name], env=env, cwd=self._room)
        self._stack.callback(probe.close)
        if ready:
            probe.event("ready")
        return probe

    def example(self, kind: str, url: str) -> Process:
        """Start the worker of `examples/python` or `examples/node`."""
        folder = EXAMPLES / (NODE if kind == NODE else "python")
        command = self._command(kind, folder, "worker")
        name = "orders" if kind == NODE else "users"
        return self.run(name, command, III_URL=url)

    def run(self, name: str, command: list[str | Path], **variables: str) -> Process:
        process = Process(name, command, env=environment(**variables), cwd=self._room)
        self._stack.callback(process.close)
        return process

    def _command(self, kind: str, folder: Path, stem: str = "probe") -> list[str | Path]:
        if kind != NODE:
            return [_python(kind), folder / f"{stem}.py"]
        node, modules = _node()
        # Node looks for packages beside the script: so it runs a copy that stands beside them.
        home = self._room / "node"
        home.mkdir(exist_ok=True)
        link = home / "node_modules"
        if not link.exists():
            link.symlink_to(modules)
        return [node, shutil.copy(folder / f"{stem}.mjs", home)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """For processes of the test's own."""
    made = Shop(tmp_path)
    yield made
    made.close()


class Shared(NamedTuple):
    """One engine, and one probe of each kind, started when first asked for."""

    engine: EngineProcess
    probe: Callable[[str], Probe]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """For tests that harm nobody. At the end the engine must have logged no fault of its own, and go in peace."""
    made = Shop(tmp_path_factory.mktemp("e2e"))
    try:
        engine = made.engine()
        yield Shared(engine, functools.cache(lambda kind: made.probe(kind, engine.url)))
        code, seconds = engine.stop(signal.SIGTERM)
        assert (code, engine.faults()) == (0, [])
        assert seconds < 4
    finally:
        made.close()


class Pair(NamedTuple):
    """Two official workers of different kinds on the shared engine."""

    caller: Probe
    callee: Probe


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-calls-{pair[1]}")
def pair(request: pytest.FixtureRequest, shared: Shared) -> Pair:
    return Pair(shared.probe(request.param[0]), shared.probe(request.param[1]))


@pytest.fixture
def peer(shared: Shared) -> Iterator[Peer]:
    """A third party on the shared engine, that speaks the protocol by hand."""
    with peers(shared.engine.url) as make:
        yield make()


@pytest.fixture(params=PYTHON_SDKS, ids=lambda version: f"python-{version}")
def python_sdk(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[*PYTHON_SDKS, NODE])
def any_sdk(request: pytest.FixtureRequest) -> str:
    return request.param
