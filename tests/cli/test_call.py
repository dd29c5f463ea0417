import json

import pytest

from iii_actors.cli.call import payload


@pytest.fixture
def call(run, scripted):
    """Run ``call`` against the scripted engine."""

    def run_call(*arguments, command="call"):
        return run(command, *arguments, "--address", "127.0.0.1", "--port", scripted.port)

    return run_call


def test_the_result_is_printed_as_json(call, scripted):
    scripted.returns("orders::create", {"id": 7, "item": "Grüner Tee", "lines": [1, 2.5, None]})
    outcome = call("orders::create", "item=Grüner Tee")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out == ('{\n  "id": 7,\n  "item": "Grüner Tee",\n  "lines": [\n    1,\n    2.5,\n    null\n  ]\n}\n')


@pytest.mark.parametrize("body", [{"result": None}, {}])
def test_nothing_is_printed_for_null(call, scripted, body):
    scripted.answers["f"] = lambda _message: body
    outcome = call("f")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


@pytest.mark.parametrize("result", [False, 0, "", [], {}])
def test_what_is_not_null_is_printed(call, scripted, result):
    scripted.returns("f", result)
    assert json.loads(call("f").out) == result


@pytest.mark.parametrize("command", ["call", "trigger", "t"])
def test_the_commands_names(call, scripted, command):
    scripted.returns("f", 1)
    assert call("f", command=command).out == "1\n"


def test_what_is_sent(call, scripted):
    scripted.returns("f", 1)
    call("f", "n=7", "name=x", "--namespace", "shop")
    register, invoke = scripted.messages
    assert register["function_id"] == "engine::workers::register"
    assert register["action"] == {"type": "void"}
    assert "pid" not in register["data"]
    assert register["data"]["name"].startswith("iii-actors-cli:")
    del invoke["invocation_id"]
    assert invoke == {"type": "invokefunction", "function_id": "f", "data": {"n": 7, "name": "x"}, "namespace": "shop"}
    assert scripted.extensions is None


def test_each_run_has_a_name_of_its_own(call, scripted):
    scripted.returns("f", 1)
    call("f")
    call("f")
    names = [message["data"]["name"] for message in scripted.messages if "invocation_id" not in message]
    assert len(set(names)) == 2


def test_without_a_namespace_none_is_named(call, scripted):
    scripted.returns("f", 1)
    call("f")
    assert "namespace" not in scripted.calls[0]
    assert scripted.calls[0]["data"] == {}


@pytest.mark.parametrize(
    ("text", "pairs", "data"),
    [
        (None, [], {}),
        (None, ["a=1", "b=true", "c=null", 'd="1"', "e=[1]", "f=x y", "g=", "h=a=b", "i=-1"],
         {"a": 1, "b": True, "c": None, "d": "1", "e": [1], "f": "x y", "g": "", "h": "a=b", "i": -1}),
        (None, ["a=NaN", "b=1e5", "c=01"], {"a": "NaN", "b": 1e5, "c": "01"}),
        ('{"a": 1, "b": 2}', ["b=3", "c=4"], {"a": 1, "b": 3, "c": 4}),
        ("[1, 2]", [], [1, 2]),
        ("null", [], None),
    ],
)  # fmt: skip
def test_the_payload(text, pairs, data):
    assert payload(text, pairs) == data


def test_options_may_stand_between_the_pairs(call, scripted):
    scripted.returns("f", 1)
    assert call("--json", '{"a": 1}', "f", "b=2", "--timeout-ms", "5000", "c=3").code == 0
    assert scripted.calls[0]["data"] == {"a": 1, "b": 2, "c": 3}


def test_the_older_options(call, scripted):
    scripted.returns("f", 1)
    assert call("--function-id", "f", "--payload", '{"a": 1}', "b=2").code == 0
    assert scripted.calls[0]["data"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["f", "--json", "{a}"], "--json: invalid JSON `{a}`"),
        (["f", "--json", "NaN"], "--json: invalid JSON `NaN`"),
        (["f", "--json", "[" * 100_000], "--json: invalid JSON `[[["),
        (["f", "--json", "[]", "a=1"], "--json: expected an object to add `a=1` to, got `[]`"),
        (["f", "a"], "expected key=value, got `a`"),
        (["f", "=1"], "expected key=value, got `=1`"),
        ([], "iii-actors call: missing FUNCTION_PATH. Name one, for example: iii-actors call orders::create id=7"),
        (["f", "a=\udcff"], "Error: the arguments are not valid UTF-8, so they cannot be sent"),
    ],
)
def test_arguments_that_make_no_call(call, arguments, message):
    outcome = call(*arguments)
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith(message)


@pytest.mark.parametrize(
    "arguments", [["f", "--nope"], ["f", "--port", "x"], ["f", "--timeout-ms", "0"], ["f", "--js", "1"]]
)
def test_options_that_are_not_understood(call, arguments):
    assert call(*arguments).code == 2


def test_an_error_is_shown_whole(call, scripted):
    scripted.answers["f"] = lambda _message: {"error": {"code": "NO", "message": "not today", "stacktrace": "a\nb"}}
    outcome = call("f")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == ('Error: {\n  "code": "NO",\n  "message": "not today",\n  "stacktrace": "a\\nb"\n}\n')


def test_an_error_without_a_stacktrace(call, scripted):
    scripted.answers["f"] = lambda _message: {"error": {"code": "NO", "message": "m", "more": 1}}
    assert json.loads(call("f").err.removeprefix("Error: ")) == {"code": "NO", "message": "m", "stacktrace": None}


def test_other_messages_are_passed_over(call, scripted):
    scripted.noise = [
        "{",
        "[]",
        '{"type": "invocationresult", "invocation_id": "another", "result": 2}',
        '{"type":"pong"}',
    ]
    scripted.returns("f", 1)
    assert call("f").out == "1\n"


def test_a_large_result_is_no_trouble(call, scripted):
    scripted.returns("f", "x" * 3_000_000)
    assert len(call("f").out) == 3_000_003


def test_no_answer_in_time(call, scripted):
    scripted.answers["f"] = lambda _message: None
    outcome = call("f", "--timeout-ms", "50")
    assert outcome.code == 1
    assert outcome.err == "Error: Timed out waiting for the engine to answer (50 ms)\n"


def test_the_engine_goes_away(call, scripted):
    scripted.hang_up = True
    outcome = call("f")
    assert outcome.code == 1
    assert "closed the connection before it answered" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_no_engine(run, free_port):
    outcome = run("call", "f", "--address", "127.0.0.1", "--port", free_port)
    assert outcome.code == 1
    assert outcome.err == (
        f"Error: cannot reach an engine at ws://127.0.0.1:{free_port}/: Connection refused; start one with `iii-actors`, "
        "or say with --address and --port where it is\n"
    )


@pytest.mark.parametrize("address", ["no.such.host.invalid", "a b", "x" * 70, "::1:::"])
def test_no_such_host(run, address):
    outcome = run("call", "f", "--address", address)
    assert outcome.code == 1
    assert outcome.err.startswith("Error: cannot reach an engine at ws://")
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("reply", [b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_something_else_listens(run, one_reply, reply):
    outcome = run("call", "f", "--address", "127.0.0.1", "--port", one_reply(reply))
    assert outcome.code == 1
    assert "is not an engine" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_help(run):
    outcome = run("call", "-h")
    assert outcome.code == 0
    assert "key=value" in outcome.out


def test_a_functions_help(call, scripted):
    scripted.returns(
        "engine::functions::info",
        {
            "function_id": "orders::create",
            "namespace": "default",
            "worker_name": "shop",
            "description": "Create an\norder \x1b[2J",
            "request_schema": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "integer", "description": "The order's number"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "kind": {"enum": ["a", 1]},
                    "tags": {"type": ["array", "null"]},
                    "customer": {"$ref": "#/$defs/Customer"},
                    "any": True,
                },
            },
            "registered_triggers": [],
        },
    )
    outcome = call("orders::create", "-h", "-n", "shop")
    assert outcome.code == 0
    assert outcome.out == (
        "orders::create  (namespace default, worker shop)\n"
        "\n"
        "Create an order \\x1b[2J\n"
        "\n"
        "Parameters\n"
        "  NAME      TYPE                      DESCRIPTION\n"
        "  id        integer         required  The order's number\n"
        "  note      string or null  optional  -\n"
        '  kind      "a" or 1        optional  -\n'
        "  tags      array or null   optional  -\n"
        "  customer  Customer        optional  -\n"
        "  any       any             optional  -\n"
    )
    assert scripted.calls[0]["data"] == {"function_id": "orders::create", "namespace": "shop"}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({}, "not described"),
        ({"request_schema": None}, "not described"),
        ({"request_schema": {"type": "string"}}, '"type"'),
    ],
)
def test_a_function_that_describes_no_parameters(call, scripted, schema, shown):
    scripted.returns(
        "engine::functions::info", {"function_id": "f", "namespace": "default", "worker_name": "w", **schema}
    )
    outcome = call("f", "-h")
    assert shown in outcome.out


def test_help_for_a_function_that_is_not_there(call, scripted):
    error = {"code": "NOT_FOUND", "message": "Function 'f' is not registered."}
    scripted.answers["engine::functions::info"] = lambda _message: {"error": error}
    outcome = call("f", "-h")
    assert outcome.code == 1
    assert '"NOT_FOUND"' in outcome.err
