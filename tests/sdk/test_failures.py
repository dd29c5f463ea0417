import pytest

from iii_worker import Error, InvocationError
from iii_worker.failures import code_of, failure_of, message_of, stacktrace_of
from iii_worker.limits import MAX_MESSAGE_CHARS, MAX_STACKTRACE_CHARS
from iii_worker.values import to_json


class Coded(Exception):
    code = "out_of_stock"


class Numbered(Exception):
    code = 404


class Broken(Exception):
    @property
    def code(self):
        raise ValueError("no code")

    def __str__(self):
        raise ValueError("no text")


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def raising(error):
    def fail():
        raise error

    return caught(fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("bad"), "invocation_failed", "bad"),
        (ValueError(), "invocation_failed", "ValueError"),
        (KeyError("name"), "invocation_failed", "KeyError: 'name'"),
        (Coded("none left"), "out_of_stock", "none left"),
        (Numbered("gone"), "invocation_failed", "gone"),
        (Error("no such user", code="user_not_found"), "user_not_found", "no such user"),
        (Error("plain"), "invocation_failed", "plain"),
        (InvocationError("TIMEOUT", "no answer", "f"), "TIMEOUT", "no answer"),
        (SystemExit("bye"), "invocation_failed", "SystemExit: bye"),
        (KeyboardInterrupt(), "invocation_failed", "KeyboardInterrupt"),
        (Broken(), "invocation_failed", "Broken"),
        (ValueError("\ud800"), "invocation_failed", "?"),
    ],
    ids=repr,
)
def test_code_and_message(error, code, message):
    assert (code_of(error), message_of(error)) == (code, message)
    failure = failure_of(raising(error))
    assert failure["code"] == code
    to_json(failure)


def test_a_stack_trace_shows_the_users_frames_alone():
    error = caught(lambda: to_json(object()))
    trace = stacktrace_of(error)
    assert "test_failures.py" in trace
    assert "values.py" not in trace
    assert trace.splitlines()[-1].startswith("iii_worker.values.NotJsonError: result is of type object")


def test_chained_errors_are_shown_without_frames_of_the_sdk():
    def fail():
        try:
            to_json(object())
        except Error as error:
            raise RuntimeError("outer") from error

    trace = stacktrace_of(caught(fail))
    assert "The above exception was the direct cause" in trace
    assert "values.py" not in trace
    assert trace.rstrip().endswith("RuntimeError: outer")


def test_groups_are_shown():
    trace = stacktrace_of(raising(ExceptionGroup("several", [raising(ValueError("one")), raising(KeyError("two"))])))
    assert "ValueError: one" in trace
    assert "KeyError: 'two'" in trace


def test_what_is_too_long_is_cut():
    assert len(message_of(ValueError("x" * 100_000))) == MAX_MESSAGE_CHARS
    assert message_of(ValueError("x" * 100_000)).endswith("...")
    error = None
    for number in range(300):
        following = raising(ValueError(f"number {number}"))
        following.__cause__ = error
        error = following
    trace = stacktrace_of(error)
    assert len(trace) <= MAX_STACKTRACE_CHARS
    assert trace.rstrip().endswith("ValueError: number 299")


def test_endless_recursion_has_a_short_trace():
    def down():
        down()

    assert len(stacktrace_of(caught(down))) < 3000


def test_an_error_that_cannot_be_shown_is_named():
    assert "Broken" in stacktrace_of(raising(Broken()))
