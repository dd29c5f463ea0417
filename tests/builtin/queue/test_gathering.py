"""iii_actors.builtin.queue.gathering: several questions, one answer."""

from iii_actors.brokers.errors import QueueNotFound
from iii_actors.builtin.queue.gathering import gather


def asked(count):
    """So many questions, a way to answer each, and what came of them."""
    dones, told = [], []
    gather([dones.append] * count, lambda result, error: told.append((result, error)))
    return dones, told


def test_answers_come_in_the_order_of_the_questions():
    dones, told = asked(3)
    for at in (2, 0, 1):
        assert told == []
        dones[at](at, None)
    assert told == [([0, 1, 2], None)]


def test_no_questions():
    assert asked(0) == ([], [([], None)])


def test_the_first_error_is_the_answer_and_what_comes_later_is_dropped():
    dones, told = asked(3)
    error = QueueNotFound("q")
    dones[1](None, error)
    dones[0](1, None)
    dones[2](None, QueueNotFound("other"))
    assert told == [(None, error)]


def test_nothing_is_an_answer():
    dones, told = asked(1)
    dones[0](None, None)
    assert told == [([None], None)]
