"""The table that SIGUSR1 prints."""

from iii_actors.actor import ActorStats, Moment
from iii_actors.cli.actors import table
from iii_actors.limits import ACTORS_SHOWN


def moment(name, depth=0, message=None, age_s=None):
    return Moment(ActorStats(name, "light", depth, 10, 0.5, 1), message, age_s)


def test_who_is_at_work_comes_first_and_the_idle_are_summed_up():
    lines = table(
        [moment("Idle"), moment("Crowded", depth=7), moment("Idle"), moment("Stuck", message="Invoke", age_s=12.5)]
    ).splitlines()
    assert lines[0] == "4 actors, 2 of them at work or with messages waiting"
    assert lines[1].split() == [
        "actor",
        "kind",
        "waiting",
        "handled",
        "failed",
        "busy",
        "s",
        "now",
        "handling",
        "for",
        "s",
    ]
    assert lines[2].split() == ["Stuck", "light", "0", "10", "1", "0.500", "Invoke", "12.500"]
    assert lines[3].split() == ["Crowded", "light", "7", "10", "1", "0.500", "-", "-"]
    assert lines[4].split() == ["Idle", "x", "2", "light", "0", "20", "2", "1.000", "idle", "-"]


def test_it_has_an_end():
    lines = table([moment(f"Busy{number}", depth=1) for number in range(ACTORS_SHOWN + 5)]).splitlines()
    assert len(lines) == ACTORS_SHOWN + 3
    assert lines[-1] == "and 5 more that are not idle"
