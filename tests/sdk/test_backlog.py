from iii_worker.backlog import Backlog, WaitingJob, refuse_all


def job(size=0, refuse=None):
    return WaitingJob(lambda: None, size, refuse)


def test_first_in_first_out_within_both_bounds():
    backlog = Backlog(2, 100)
    first, second = job(60), job(40)
    assert backlog.room(60)
    backlog.append(first)
    assert not backlog.room(41)
    assert backlog.room(40)
    backlog.append(second)
    assert not backlog.room(0)
    assert backlog.take() is first
    backlog.put_back(first)
    assert [backlog.take(), backlog.take()] == [first, second]
    assert backlog.room(100)
    assert not backlog


def test_reservations_count_as_if_they_were_here():
    backlog = Backlog(1, 100)
    backlog.reserve(10)
    assert backlog.total == 1
    assert len(backlog) == 0
    assert not backlog.room(0)
    backlog.release(10)
    assert backlog.room(100)


def test_clearing_leaves_reservations():
    backlog = Backlog(3, 100)
    backlog.reserve(10)
    backlog.append(job(50))
    assert len(backlog.clear()) == 1
    assert backlog.total == 1
    assert backlog.room(90)
    assert not backlog.room(91)


def test_everybody_is_told_even_if_one_fails(caplog):
    told = []

    def broken(reason):
        raise ValueError(reason)

    refuse_all([job(refuse=broken), job(), job(refuse=told.append)], "why")
    assert told == ["why"]
    assert "A job on the handler pool was not run: why" in caplog.text
    assert "Refusing a job failed" in caplog.text
