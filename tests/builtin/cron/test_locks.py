"""The adapter ``kv``: nothing to lock, within one engine."""

from iii_actors.builtin.cron.locks import NoLocks, Tick


def test_every_tick_may_run():
    locks = NoLocks()
    for _ in range(2):
        assert set(locks.take([Tick("a", 1), Tick("b", 1)])) == {"a", "b"}
    locks.keep()
    locks.release(["a"])
    locks.close()
