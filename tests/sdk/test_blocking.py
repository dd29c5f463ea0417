import threading

import pytest

from iii_worker.blocking import Place, blocking, current_place, take_place


class Noted(Place):
    def __init__(self):
        super().__init__()
        self.steps = []

    def step_aside(self):
        self.steps.append("aside")

    def come_back(self):
        self.steps.append("back")


@pytest.fixture
def place():
    place = Noted()
    take_place(place)
    yield place
    take_place(None)


def test_on_a_thread_of_nobodys_it_is_nothing():
    assert current_place() is None
    with blocking(), blocking():
        pass


def test_a_thread_steps_aside_once_and_comes_back(place):
    with blocking():
        assert place.steps == ["aside"]
        with blocking():
            pass
        assert place.steps == ["aside"]
    assert place.steps == ["aside", "back"]


def test_it_comes_back_from_a_wait_that_fails(place):
    with pytest.raises(TimeoutError), blocking():
        raise TimeoutError
    assert place.steps == ["aside", "back"]
    with blocking():
        pass
    assert len(place.steps) == 4


class Full(Place):
    def step_aside(self):
        raise ValueError("too many")


def test_who_may_not_step_aside_has_not():
    take_place(Full())
    try:
        for _ in range(2):
            with pytest.raises(ValueError, match="too many"), blocking():
                pass
    finally:
        take_place(None)


def test_places_are_of_one_thread(place):
    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_place()))
    thread.start()
    thread.join()
    assert seen == [None]
    assert current_place() is place
