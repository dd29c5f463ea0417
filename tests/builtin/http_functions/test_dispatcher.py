"""Which call is made when; the callers are probes, the clock is moved by hand."""

import pytest

from iii_actors import limits
from iii_actors.actor import LightActor, ask, launch
from iii_actors.builtin.http_functions.caller import Attempt, Attempted, Rules
from iii_actors.builtin.http_functions.dispatcher import Apply, CloseDown, Dispatcher
from iii_actors.builtin.http_functions.response import Outcome
from iii_actors.builtin.http_functions.session import tls_context
from iii_actors.config.http_functions import HttpFunctionsSettings, RetrySettings
from iii_actors.core.messages import Answer
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.builtin.http_functions.conftest import make_call
from tests.support.probe import Probe

TLS = tls_context(None)
FAILED = Outcome(wire.ABSENT, wire.ErrorBody("http_error", "HTTP 503 Service Unavailable"), True)
DONE = Outcome(raw("done"))


class Desk:
    """A dispatcher, the callers it has made, and what it has answered."""

    def __init__(self, clock, **settings):
        self.clock = clock
        self.callers: list[Probe] = []
        self.invocations = Probe()
        launch(self.invocations)
        self.dispatcher = Dispatcher(self.invocations.actor_ref, clock, self.settings(**settings), self._make)
        self.ref = launch(self.dispatcher)
        self.taken = 0

    @staticmethod
    def settings(**settings):
        made = HttpFunctionsSettings(**settings)
        return Apply(made, Rules(made.security, made.max_response_bytes, TLS))

    def _make(self, dispatcher) -> LightActor:
        self.callers.append(Probe())
        return self.callers[-1]

    def call(self, invocation_id, host="a", **members):
        self.ref.tell(make_call(invocation_id, url=f"https://{host}/", **members))

    def attempts(self) -> list[tuple[Probe, Attempt]]:
        """Those that callers have been told and not ended yet."""
        return [(caller, message) for caller in self.callers for message in caller.told]

    def running(self):
        return [attempt.forward.invoke.invocation_id for _, attempt in self.attempts()]

    def end(self, invocation_id, outcome=DONE):
        for caller, attempt in self.attempts():
            if attempt.forward.invoke.invocation_id == invocation_id:
                caller.told.remove(attempt)
                self.ref.tell(Attempted(attempt.number, caller.actor_ref, outcome))
                return attempt
        raise AssertionError(f"{invocation_id} is not running")

    def answers(self):
        return {
            answer.invocation_id: answer.error.message if answer.error else bytes(answer.result)
            for answer in self.invocations.of(Answer)
        }

    def stop(self):
        for ref in (self.ref, self.invocations.actor_ref, *(caller.actor_ref for caller in self.callers)):
            ref.stop()


@pytest.fixture
def desk(clock):
    made = []

    def make(**settings):
        made.append(Desk(clock, **settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def timed_out(host="a"):
    return f"error sending request for url (https://{host}/): operation timed out"


def test_a_call_is_made_and_answered(desk):
    one = desk()
    one.call("1")
    assert one.end("1").call_id
    assert one.answers() == {"1": b'"done"'}


def test_a_host_has_its_share_and_the_others_theirs(desk):
    one = desk(max_calls=4, max_calls_per_host=2)
    for n in range(5):
        one.call(f"a{n}", "a")
    assert one.running() == ["a0", "a1"]
    one.call("b0", "b")
    one.call("c0", "c")
    one.call("d0", "d")
    assert one.running() == ["a0", "a1", "b0", "c0"]
    one.end("b0")
    assert set(one.running()) == {"a0", "a1", "c0", "d0"}
    one.end("a0")
    assert set(one.running()) == {"a2", "a1", "c0", "d0"}


def test_hosts_take_turns(desk):
    one = desk(max_calls=1)
    for n in range(3):
        one.call(f"a{n}", "a")
    for n in range(3):
        one.call(f"b{n}", "b")
    order = []
    for _ in range(6):
        (running,) = one.running()
        order.append(running)
        one.end(running)
    assert order == ["a0", "a1", "b0", "a2", "b1", "b2"]


def test_ports_are_hosts_of_their_own(desk):
    one = desk(max_calls=4, max_calls_per_host=1)
    one.call("1", "a:1")
    one.call("2", "a:2")
    assert one.running() == ["1", "2"]


def test_threads_are_started_when_needed_and_used_again(desk):
    one = desk()
    for n in range(3):
        one.call(str(n))
        one.end(str(n))
    assert len(one.callers) == 1
    one.call("x")
    one.call("y", "b")
    assert len(one.callers) == 2


def test_a_host_gets_the_thread_that_has_its_connection(desk):
    one = desk()
    for host in "abc":
        one.call(host, host)
    for host in "abc":
        one.end(host)
    first = dict(zip("abc", one.callers, strict=True))
    for host in "bca":
        one.call(f"{host}2", host)
    assert {attempt.endpoint.url.host: caller for caller, attempt in one.attempts()} == first


def test_too_many_waiting_for_one_host_are_refused(desk):
    one = desk(max_calls=1)
    for n in range(limits.EXTERNAL_WAITING_PER_HOST + 1):
        one.call(str(n))
    assert one.answers() == {}
    one.call("last")
    said = "error sending request for url (https://a/): too many calls are waiting already"
    assert one.answers() == {"last": said}
    one.call("other", "b")
    assert set(one.answers()) == {"last"}
    one.end("0")
    one.call("fits again")
    assert set(one.answers()) == {"last", "0"}


def test_too_many_waiting_for_all_hosts_are_refused(desk, monkeypatch):
    from iii_actors.builtin.http_functions import dispatcher

    monkeypatch.setattr(dispatcher, "EXTERNAL_WAITING", 3)
    one = desk(max_calls=1)
    for n in range(5):
        one.call(str(n), f"host{n}")
    assert list(one.answers()) == ["4"]


# --- time --------------------------------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_answered_and_its_line_cut(desk, clock):
    one = desk()
    one.call("1", timeout_ms=500)
    clock.advance(0.49)
    assert one.answers() == {}
    clock.advance(0.02)
    assert one.answers() == {"1": timed_out()}
    attempt = one.end("1")
    assert attempt.line._cut
    assert len(one.invocations.told) == 1


def test_time_counts_while_waiting_for_a_turn(desk, clock):
    one = desk(max_calls=1)
    one.call("1", timeout_ms=60_000)
    one.call("2", timeout_ms=500)
    clock.advance(1)
    assert one.answers() == {"2": timed_out()}
    one.end("1")
    assert one.running() == []


def test_a_thread_counts_until_it_is_free(desk, clock):
    one = desk(max_calls=1)
    one.call("1", timeout_ms=500)
    clock.advance(1)
    one.call("2")
    assert one.running() == ["1"]
    one.end("1")
    assert one.running() == ["2"]


# --- retries -----------------------------------------------------------------------------------------------------------


def test_there_are_none_unless_set(desk):
    one = desk()
    one.call("1")
    one.end("1", FAILED)
    assert one.answers() == {"1": FAILED.error.message}


def test_a_retry_comes_after_a_pause_that_doubles(desk, clock):
    one = desk(retries=RetrySettings(count=2, backoff_ms=1000))
    one.call("1")
    first = one.end("1", FAILED)
    assert (one.running(), one.answers()) == ([], {})
    clock.advance(0.999)
    assert one.running() == []
    clock.advance(0.002)
    second = one.end("1", FAILED)
    clock.advance(1.99)
    assert one.running() == []
    clock.advance(0.02)
    third = one.end("1", FAILED)
    assert one.answers() == {"1": FAILED.error.message}
    assert first.call_id == second.call_id == third.call_id
    assert first.due == third.due


def test_a_retry_that_succeeds(desk, clock):
    one = desk(retries=RetrySettings(count=1))
    one.call("1")
    one.end("1", FAILED)
    clock.advance(1.1)
    one.end("1")
    assert one.answers() == {"1": b'"done"'}


def test_what_must_not_be_repeated_is_not(desk):
    one = desk(retries=RetrySettings(count=5))
    one.call("1")
    one.end("1", FAILED._replace(may_repeat=False))
    assert one.answers() == {"1": FAILED.error.message}


def test_no_retry_outlives_the_call(desk, clock):
    one = desk(retries=RetrySettings(count=5, backoff_ms=400))
    one.call("1", timeout_ms=1000)
    one.end("1", FAILED)
    clock.advance(0.5)
    one.end("1", FAILED)  # the next pause is 800 ms, and 500 are left
    assert one.answers() == {"1": FAILED.error.message}
    one.call("2", timeout_ms=1000)
    one.end("2", FAILED)
    clock.advance(0.41)
    clock.advance(0.6)
    assert one.answers()["2"] == timed_out()


def test_a_resting_call_holds_no_thread(desk, clock):
    one = desk(max_calls=1, retries=RetrySettings(count=1))
    one.call("1")
    one.end("1", FAILED)
    one.call("2")
    assert one.running() == ["2"]
    clock.advance(1.1)
    assert one.running() == ["2"]
    one.end("2")
    assert one.running() == ["1"]


# --- settings, faults, the end -----------------------------------------------------------------------------------------


def test_settings_can_be_changed(desk):
    one = desk(max_calls=1)
    for n in range(3):
        one.call(str(n))
    assert one.running() == ["0"]
    ask(one.ref, one.settings(max_calls=2, max_response_bytes=7))
    assert one.running() == ["0", "1"]
    one.end("0")
    assert [attempt.rules.max_response_bytes for _, attempt in one.attempts()] == [7, 7]


def test_a_call_that_cannot_be_begun_is_answered(desk, monkeypatch):
    one = desk()
    monkeypatch.setattr(one.dispatcher, "_make_caller", None)
    one.call("1")
    assert one.answers() == {"1": "TypeError in the engine"}


def test_without_a_thread_calls_fail_and_the_next_one_is_tried(desk, monkeypatch):
    def none(_):
        raise RuntimeError("can't start new thread")

    one = desk()
    with monkeypatch.context() as without:
        without.setattr(one.dispatcher, "_make_caller", none)
        one.call("1")
    assert one.answers()["1"].endswith(": can't start new thread")
    one.call("2")
    assert one.running() == ["2"]


def test_the_end(desk, clock):
    one = desk(max_calls=1, retries=RetrySettings(count=1))
    one.call("resting")
    one.end("resting", FAILED)
    one.call("running")
    one.call("waiting")
    assert ask(one.ref, CloseDown()) == [caller.actor_ref for caller in one.callers]
    assert one.answers() == dict.fromkeys(("resting", "running", "waiting"), "Invocation stopped")
    assert one.end("running").line._cut
    clock.advance(100)
    assert len(one.invocations.told) == 3
    assert one.running() == []
