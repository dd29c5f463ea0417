"""What has happened since somebody began to look."""

from iii_actors.brokers.local_looks import Looks


def test_only_what_happens_after_the_beginning_counts():
    looks = Looks()
    looks.touch(1)
    first = looks.begin()
    assert not looks.stale(first, 1)
    looks.touch(1)
    second = looks.begin()
    assert looks.stale(first, 1)
    assert not looks.stale(second, 1)
    assert not looks.stale(first, 2)
    looks.touch(2)
    assert looks.stale(second, 2)


def test_everything_may_have_changed():
    looks = Looks()
    first = looks.begin()
    looks.touch_all()
    assert looks.stale(first, 99)
    assert not looks.stale(looks.begin(), 99)


def test_nothing_is_kept_when_nobody_looks_any_more():
    looks = Looks()
    looks.begin()
    looks.begin()
    looks.touch(1)
    looks.end()
    assert looks.under_way == 1
    looks.end()
    assert looks._touched == {}
    assert not looks.stale(looks.begin(), 1)
