import logging

from iii_worker.seldom import Seldom

logger = logging.getLogger("iii_worker.test")


def test_a_flood_is_one_line_and_a_count(caplog, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("iii_worker.seldom.time.monotonic", lambda: now[0])
    seldom = Seldom(logger, 1.0)
    for number in range(1000):
        seldom.warning("refused %s", number)
    assert caplog.messages == ["refused 0"]
    now[0] += 1.0
    seldom.warning("refused %s", "again")
    assert caplog.messages[1:] == ["refused again (and 999 more before it)"]
    now[0] += 1.0
    seldom.warning("refused")
    assert caplog.messages[2:] == ["refused"]
