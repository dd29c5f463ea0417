"""Jobs for the SDK's handler pool that say when they run and end when they are told to."""

import threading

WAIT_S = 20.0


class Held:
    """A job that says when it runs and goes on until it is told to end."""

    def __init__(self, pool=None):
        self.pool = pool
        self.runs = threading.Event()
        self.end = threading.Event()
        self.ended = threading.Event()

    def __call__(self):
        self.runs.set()
        if self.pool is None:
            assert self.end.wait(WAIT_S)
        else:
            with self.pool.blocking():
                assert self.end.wait(WAIT_S)
        self.ended.set()

    def started(self):
        return self.runs.wait(WAIT_S)


def done(pool, job=None, **options):
    """Submit a job and wait for it; return the name of the thread it ran on."""
    name, over = [], threading.Event()

    def run():
        name.append(threading.current_thread().name)
        if job is not None:
            job()
        over.set()

    assert pool.submit(run, **options)
    assert over.wait(WAIT_S)
    assert pool.drain(WAIT_S)
    return name[0]
