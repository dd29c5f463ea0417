"""The outbox: bounded, in order, and rid of what nobody waits for."""

from iii_worker.outbox import Outbox, Waiting


def entry(key):
    return Waiting(key, key.encode(), awaited=True)


def test_first_in_first_out():
    outbox = Outbox()
    for key in "abc":
        assert outbox.add(entry(key)) is None
    assert [outbox.take().key for _ in range(3)] == ["a", "b", "c"]
    assert outbox.take() is None


def test_the_oldest_makes_room():
    outbox = Outbox(2)
    assert [outbox.add(entry(key)) for key in "abcd"] == [None, None, entry("a"), entry("b")]
    assert len(outbox) == 2


def test_what_is_discarded_is_not_sent():
    outbox = Outbox()
    for key in "abc":
        outbox.add(entry(key))
    assert outbox.discard("b")
    assert not outbox.discard("b")
    assert [outbox.take().key for _ in range(2)] == ["a", "c"]


def test_what_could_not_be_sent_is_first_again():
    outbox = Outbox()
    for key in "ab":
        outbox.add(entry(key))
    outbox.put_back(outbox.take())
    assert [waiting.key for waiting in outbox.clear()] == ["a", "b"]
    assert not outbox
