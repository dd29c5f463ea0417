from iii_actors.actor import MailboxFull
from iii_actors.core.watchers import Watchers


def test_each_watcher_is_told_once_however_often_it_was_added(probe):
    one, other, watchers = probe(), probe(), Watchers()
    for watcher in (one, other, one):
        watchers.add(watcher.actor_ref)
    watchers.tell("news")
    assert one.take() == other.take() == ["news"]


def test_one_that_has_stopped_is_forgotten_and_the_others_are_told(probe):
    one, other, watchers = probe(), probe(), Watchers()
    watchers.add(one.actor_ref)
    watchers.add(other.actor_ref)
    one.actor_ref.stop()
    watchers.tell("news")
    watchers.tell("more")
    assert other.take() == ["news", "more"]


def test_one_that_is_too_slow_misses_what_it_has_no_room_for(probe, caplog):
    class Full:
        def tell(self, message):
            raise MailboxFull(message)

    other, watchers = probe(), Watchers()
    watchers.add(Full())
    watchers.add(other.actor_ref)
    watchers.tell("news")
    assert other.take() == ["news"]
    assert "it misses 'news'" in caplog.text
