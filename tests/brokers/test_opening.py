"""From settings to a broker."""

from __future__ import annotations

import pytest

from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.memory import MemoryJournal
from iii_actors.brokers.opening import open_broker
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from iii_actors.config.queue import QueueAdapter
from iii_actors.errors import ConfigError


def made(name="builtin", **config):
    return open_broker(QueueAdapter(name=name, config=config), "iii-queue", ManualClock())


def test_memory_is_the_default():
    broker = made()
    assert isinstance(broker, LocalBroker)
    assert isinstance(broker._journal, MemoryJournal)
    assert (broker.kind, broker.abilities.durable, broker.abilities.shared) == ("builtin", False, False)


def test_a_file(tmp_path):
    broker = made(store_method="file_based", file_path=str(tmp_path / "queues"), durability="process")
    assert isinstance(broker, LocalBroker)
    assert isinstance(broker._journal, SqliteJournal)
    assert broker.abilities.durable is True
    assert not (tmp_path / "queues").exists()  # nothing is touched before it is opened
    broker.open()
    answers = []
    broker.declare("q", QueueSpec(), lambda *answer: answers.append(answer))
    broker.close()
    assert answers == [(None, None)]
    assert (tmp_path / "queues" / "queue.sqlite").exists()


def test_a_file_that_cannot_be_had(tmp_path):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    broker = made(store_method="file_based", file_path=str(tmp_path / "taken"))
    with pytest.raises(ConfigError, match=r"failed to create worker 'iii-queue': .*taken"):
        broker.open()
    broker.close()


@pytest.mark.parametrize(("name", "kind", "package"), [("redis", "redis", "redis"), ("rabbitmq", "rabbitmq", "pika")])
def test_servers_are_not_asked_before_the_broker_is_opened(name, kind, package):
    pytest.importorskip(package)
    broker = made(name)
    assert broker.kind == kind
    assert broker.abilities.shared is True
