"""A scheduler that is paused fires nothing; what runs is left to its worker."""

from iii_actors.builtin.cron.scheduler import Pause


def test_nothing_is_fired_any_more(stage):
    stage.bind()
    stage.pass_time(1)
    assert stage.take() == [("f", 1)]
    stage.scheduler.tell(Pause())
    stage.pass_time(3)
    assert stage.take() == []


def test_a_run_that_has_begun_ends_as_ever(stage):
    stage.bind()
    stage.pass_time(1)
    stage.scheduler.tell(Pause())
    stage.answer("done")
    assert ("release", "job") in stage.locks.log
