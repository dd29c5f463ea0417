"""One folder for everything that outlives the engine."""

import pytest

from iii_actors import config
from iii_actors.config.configuration import ConfigurationSettings
from iii_actors.config.data_folder import kept_in, relative_to
from iii_actors.config.queue import QueueSettings
from iii_actors.config.state import StateSettings
from iii_actors.config.stream import StreamSettings

FILE = """
workers:
  - name: state
    config: {adapter: {config: {store_method: file_based, file_path: ./st, durability: disk}}}
  - name: iii-stream
    config: {port: 0, adapter: {name: kv, config: {store_method: file_based, file_path: /elsewhere}}}
  - name: iii-queue
    config: {adapter: {name: builtin, config: {store_method: file_based}}, auto_create: true}
  - name: iii-cron
  - name: configuration
"""


def adapter(settings, model):
    (found,) = settings.settings_of(model)
    return found.adapter


@pytest.mark.parametrize("model", [StateSettings, StreamSettings, QueueSettings])
def test_without_a_file_everything_is_kept_in_the_folder(model):
    before = config.default({})
    settings = kept_in(before, "some/folder")
    kept = adapter(settings, model)
    assert (kept.config.store_method, kept.config.file_path) == ("file_based", "some/folder")
    assert (kept.name, kept.config.durability) == (
        adapter(before, model).name,
        adapter(before, model).config.durability,
    )
    assert adapter(settings, ConfigurationSettings).config.directory == "some/folder/config"
    assert {one.id for one in settings.instances} == {one.id for one in before.instances}


def test_with_a_file_relative_paths_begin_in_the_folder_and_nothing_else_changes():
    before = config.parse(FILE, "f", {})
    settings = relative_to(before, "/data")
    assert adapter(settings, StateSettings).config.file_path == "/data/st"
    assert adapter(settings, StateSettings).config.durability == "disk"
    assert adapter(settings, StreamSettings) == adapter(before, StreamSettings)
    assert adapter(settings, QueueSettings).config.file_path == "/data/kv_store_data.db"
    assert next(settings.settings_of(QueueSettings)).auto_create
    assert adapter(settings, ConfigurationSettings).config.directory == "/data/config"
    assert [one.id for one in settings.instances] == [one.id for one in before.instances]


@pytest.mark.parametrize(
    "kept", ["", "{adapter: {name: redis}}", "{adapter: {config: {store_method: in_memory, file_path: st}}}"]
)
def test_with_a_file_nothing_is_kept_that_would_not_be_without(kept):
    before = config.parse(f"workers: [{{name: iii-state, config: {kept or 'null'}}}]", "f", {})
    assert adapter(relative_to(before, "/data"), StateSettings) == adapter(before, StateSettings)
