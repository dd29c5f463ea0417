"""The helpers' module says what other SDKs' does."""

import iii_worker
from iii_worker import helpers


def test_every_name_is_there_and_is_the_same_everywhere():
    from iii_worker.channel import create_channel
    from iii_worker.http import http
    from iii_worker.stream import create_stream

    assert {name for name in vars(helpers) if not name.startswith("_") and name != "annotations"} == set(
        helpers.__all__
    )
    assert helpers.create_channel is create_channel
    assert helpers.create_stream is create_stream
    assert helpers.http is http


def test_the_names_are_at_the_root_too():
    for name in helpers.__all__:
        assert getattr(iii_worker, name) is getattr(helpers, name), name
