"""Core actors alone: no sockets, no engine; told and asked through their references on the test's own thread."""

from collections.abc import Callable, Iterator

import pytest

from iii_actors.actor import LightActor, Ref, launch
from tests.support.probe import Probe


@pytest.fixture
def start() -> Iterator[Callable[[LightActor], Ref]]:
    """Launch an actor; all of the test's actors are stopped in the end."""
    refs: list[Ref] = []

    def launched(actor: LightActor) -> Ref:
        refs.append(launch(actor))
        return refs[-1]

    yield launched
    for ref in refs:
        if ref.is_alive():
            ref.stop()


@pytest.fixture
def probe(start: Callable[[LightActor], Ref]) -> Callable[[], Probe]:
    """A maker of probes."""

    def make() -> Probe:
        actor = Probe()
        start(actor)
        return actor

    return make
