"""The heap of schedules alone."""

import pytest

from iii_actors.builtin.cron.agenda import Agenda, Due, When
from iii_actors.builtin.cron.expression import parse
from iii_actors.builtin.cron.zones import zone_named

START = 1_767_225_600  # 2026-01-01T00:00:00Z


def when(text, zone=None):
    return When(parse(text), zone_named(zone))


@pytest.fixture
def agenda():
    return Agenda()


def test_nothing_is_due_where_nothing_is_entered(agenda):
    assert agenda.next_second is None
    assert agenda.take_due(START) == []
    assert len(agenda) == 0


def test_a_tick_is_taken_once_and_the_next_one_entered(agenda):
    agenda.add("a", when("*/10 * * * * *"), START)
    assert agenda.next_second == START + 10
    assert agenda.take_due(START + 9) == []
    assert agenda.take_due(START + 10) == [Due(START + 10, ["a"])]
    agenda.settle(START + 10)
    assert agenda.next_second == START + 20


def test_ticks_that_passed_meanwhile_are_one(agenda):
    agenda.add("a", when("* * * * * *"), START)
    assert agenda.take_due(START + 100) == [Due(START + 1, ["a"])]
    agenda.settle(START + 100)
    assert agenda.next_second == START + 101


def test_jobs_of_one_schedule_share_an_entry_and_others_come_in_order(agenda):
    for job_id, text, zone in (
        ("late", "30 * * * * *", None),
        ("a", "*/10 * * * * *", None),
        ("b", "0,10,20,30,40,50 * * * * *", None),
        ("there", "*/10 * * * * *", "Asia/Kolkata"),
    ):
        agenda.add(job_id, when(text, zone), START)
    assert len(agenda) == 4
    assert agenda.take_due(START + 30) == [
        Due(START + 10, ["a", "b"]),
        Due(START + 10, ["there"]),
        Due(START + 30, ["late"]),
    ]


def test_a_job_that_is_struck_out_is_not_due(agenda):
    agenda.add("a", when("*/10 * * * * *"), START)
    agenda.add("b", when("*/10 * * * * *"), START)
    agenda.add("c", when("*/5 * * * * *"), START)
    agenda.remove("a")
    agenda.remove("c")
    agenda.remove("never heard of")
    assert agenda.take_due(START + 10) == [Due(START + 10, ["b"])]
    agenda.remove("b")
    agenda.settle(START + 10)
    assert agenda.next_second is None


def test_a_schedule_that_can_never_fire_is_entered_and_is_never_due(agenda):
    agenda.add("a", when("0 0 0 31 2 *"), START)
    assert (len(agenda), agenda.next_second) == (1, None)
    agenda.remove("a")
    assert len(agenda) == 0


def test_a_schedule_that_has_ended_leaves_the_heap(agenda):
    agenda.add("a", when("1 0 0 1 1 ? 2026"), START)
    assert agenda.take_due(START + 1) == [Due(START + 1, ["a"])]
    agenda.settle(START + 1)
    assert agenda.next_second is None


def test_a_restart_looks_everything_up_from_another_time(agenda):
    agenda.add("a", when("0 * * * * *"), START)
    agenda.add("b", when("30 * * * * *"), START)
    agenda.restart(START - 3600)
    assert agenda.next_second == START - 3570
    assert agenda.take_due(START - 3540) == [Due(START - 3570, ["b"]), Due(START - 3540, ["a"])]


def test_coming_and_going_does_not_fill_the_heap(agenda):
    agenda.add("stays", when("0 0 0 1 1 *"), START)
    for number in range(2000):
        agenda.add("comes and goes", when(f"{number % 60} {number // 60} 0 1 6 *"), START)
        agenda.remove("comes and goes")
    assert len(agenda._heap) < 100
    assert agenda.next_second == START + 365 * 86_400


def test_a_schedule_that_cannot_be_computed_stops_no_other(agenda, monkeypatch, caplog):
    agenda.add("a", when("*/10 * * * * *"), START)
    agenda.add("b", when("*/5 * * * * *"), START)
    agenda.take_due(START + 10)
    broken = agenda._plans[when("*/5 * * * * *")]
    monkeypatch.setattr(broken.schedule, "next_after", lambda _: 1 // 0)
    agenda.settle(START + 10)
    assert agenda.take_due(START + 60) == [Due(START + 20, ["a"])]
    assert "the next time of ['b'] cannot be computed" in caplog.text
