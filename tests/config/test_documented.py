"""Every setting of these workers stands in the documentation of its worker."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from iii_actors.config.access import QuotaSettings, RbacSettings, TokenSettings
from iii_actors.config.adapters import RedisSettings
from iii_actors.config.bridge import BridgeWorkerSettings
from iii_actors.config.configuration import ConfigurationSettings, FolderSettings
from iii_actors.config.cron import CronSettings, KvLockSettings
from iii_actors.config.exec import ExecSettings
from iii_actors.config.http import HttpSettings
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.config.pubsub import PubSubSettings
from iii_actors.config.queue import (
    QueueBuiltinSettings,
    QueueConfig,
    QueueRabbitSettings,
    QueueRedisSettings,
    QueueSettings,
)
from iii_actors.config.stream import StreamSettings
from iii_actors.config.tls import TlsSettings

DOCS = Path(__file__).resolve().parents[2] / "docs"


def models_in(annotation):
    """Yield the models that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def keys(model):
    for name, field in model.model_fields.items():
        inner = list(models_in(field.annotation))
        yield name
        for one in inner:
            yield from keys(one)


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("http.rst", HttpSettings),
        ("http-functions.rst", HttpFunctionsSettings),
        ("cron.rst", CronSettings),
        ("cron.rst", KvLockSettings),
        ("cron.rst", RedisSettings),
        ("pubsub.rst", PubSubSettings),
        ("pubsub.rst", RedisSettings),
        ("streams.rst", StreamSettings),
        ("access.rst", RbacSettings),
        ("access.rst", TokenSettings),
        ("access.rst", QuotaSettings),
        ("access.rst", TlsSettings),
        ("queue.rst", QueueSettings),
        ("queue.rst", QueueConfig),
        ("queue.rst", QueueBuiltinSettings),
        ("queue.rst", QueueRedisSettings),
        ("queue.rst", QueueRabbitSettings),
        ("observability.rst", ObservabilitySettings),
        ("configuration-entries.rst", ConfigurationSettings),
        ("exec.rst", ExecSettings),
        ("bridge.rst", BridgeWorkerSettings),
        ("configuration-entries.rst", FolderSettings),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_key_is_described(page, model):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [key for key in keys(model) if re.search(rf"\b{key}\b", text) is None] == []


@pytest.mark.parametrize("worker", ["iii-http", "iii-http-functions", "iii-cron", "iii-pubsub", "iii-queue"])
def test_every_worker_is_in_the_chapter_of_settings(worker):
    assert f"``{worker}``" in (DOCS / "configuration.rst").read_text(encoding="utf-8")
