"""What a trigger's configuration may be, and what its function is told (cron.md §2, §4)."""

import json

import pytest
from msgspec import Raw
from msgspec.structs import replace

from iii_actors.builtin.cron.job import CALL_SCHEMA, CONFIG_SCHEMA, Job
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.wire import messages as wire
from tests.support.records import trigger

START = 1_767_225_600  # 2026-01-01T00:00:00Z


def job(config, trigger_id="t", **members):
    return Job(trigger(trigger_id, "cron", config=config, **members))


@pytest.mark.parametrize(
    "config", [None, {}, [], "0 * * * * *", {"expression": None}, {"expression": 5}, {"expression": ""}]
)
def test_an_expression_is_required(config):
    with pytest.raises(TriggerRegistrationFailed) as refused:
        job(config)
    assert refused.value.message == "Cron expression is required"


def test_a_configuration_that_is_no_json_has_no_expression():
    with pytest.raises(TriggerRegistrationFailed, match=r"^Cron expression is required$"):
        Job(replace(trigger("t", "cron"), config=Raw(b"{")))


def test_a_wrong_expression_or_zone_is_refused():
    with pytest.raises(TriggerRegistrationFailed, match=r"^Invalid cron expression 'x y': "):
        job({"expression": "x y"})
    with pytest.raises(TriggerRegistrationFailed, match=r"^Invalid timezone 'Atlantis'"):
        job({"expression": "@daily", "timezone": "Atlantis"})


def test_what_else_the_configuration_holds_is_ignored():
    made = job({"expression": "@daily", "retries": 3, "timezone": None, "condition_function_id": 5})
    assert (made.when.zone, made.condition) == (None, None)


def test_zone_condition_and_metadata():
    made = job(
        {"expression": "@daily", "timezone": "Europe/Berlin", "condition_function_id": "is::it"}, metadata={"m": 1}
    )
    assert (made.when.zone.key, made.condition, bytes(made.metadata)) == ("Europe/Berlin", "is::it", b'{"m":1}')
    assert job({"expression": "@daily"}).metadata is wire.ABSENT
    assert Job(replace(trigger("t", config={"expression": "@daily"}), metadata=Raw(b"null"))).metadata is wire.ABSENT


def test_the_payload():
    payload = job({"expression": "@daily"}, 'a "quoted" id — ☕').payload(START, START + 0.001166)
    assert json.loads(bytes(payload)) == {
        "trigger": "cron",
        "job_id": 'a "quoted" id — ☕',
        "scheduled_time": "2026-01-01T00:00:00+00:00",
        "actual_time": "2026-01-01T00:00:00.001166+00:00",
    }


def test_a_moment_on_the_second_has_its_fraction_too():
    assert json.loads(bytes(job({"expression": "@daily"}).payload(START, float(START))))["actual_time"] == (
        "2026-01-01T00:00:00.000000+00:00"
    )


def test_the_schemas_name_what_is_required():
    config, call = json.loads(bytes(CONFIG_SCHEMA)), json.loads(bytes(CALL_SCHEMA))
    assert (config["title"], config["required"]) == ("CronTriggerConfig", ["expression"])
    assert set(config["properties"]) == {"expression", "condition_function_id", "timezone"}
    assert call["title"] == "CronCallRequest"
    assert set(call["required"]) == set(call["properties"]) == {"trigger", "job_id", "scheduled_time", "actual_time"}
