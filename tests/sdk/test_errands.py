"""Users' callbacks run one after the other, apart from everything else."""

import threading

from iii_worker.errands import Errands


def test_they_run_in_order_and_survive_each_other(caplog):
    errands, ran, done = Errands(), [], threading.Event()
    errands.run(lambda: ran.append(1))
    errands.run(lambda: 1 / 0)
    errands.run(lambda: ran.append(2))
    errands.run(done.set)
    assert done.wait(5)
    assert ran == [1, 2]
    assert "A callback failed" in caplog.text


def test_too_many_leave_the_oldest_out(caplog):
    errands, ran = Errands(bound=2), []
    started, release, done = threading.Event(), threading.Event(), threading.Event()

    def block():
        started.set()
        release.wait(5)

    errands.run(block)
    assert started.wait(5)
    for number in range(3):
        errands.run(lambda number=number: ran.append(number))
    release.set()
    while ran != [1, 2]:
        assert not done.wait(0.001)
    assert "left out" in caplog.text


def test_the_thread_ends_and_begins_again():
    errands = Errands("test-errands", idle_s=0.01)
    for _ in range(3):
        done = threading.Event()
        errands.run(done.set)
        assert done.wait(5)
        for thread in threading.enumerate():
            if thread.name == "test-errands":
                thread.join(5)
                assert not thread.is_alive()


def test_closing_ends_an_idle_thread():
    errands = Errands("test-closing")
    done = threading.Event()
    errands.run(done.set)
    assert done.wait(5)
    errands.close()
    for thread in threading.enumerate():
        if thread.name == "test-closing":
            thread.join(5)
            assert not thread.is_alive()
