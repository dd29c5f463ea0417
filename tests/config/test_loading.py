import pytest
from hypothesis import given
from hypothesis import strategies as st

import iii_actors
from iii_actors import config
from iii_actors.config.loading import expand
from iii_actors.errors import ConfigError

TWO_LISTENERS = """\
# ${NOT_SET} in a comment is nobody's business
registration_namespace_grace_ms: 1200
workers:
  - name: iii-worker-manager
    config:
      port: ${PORT:49199}
      host: 0.0.0.0
  - name: iii-worker-manager
    config: {port: 49135, reader: own}
modules:
  - name: iii-observability
    image: something/old:1
"""


def refusal(text, environ=None):
    with pytest.raises(ConfigError) as caught:
        config.parse(text, "f.yaml", environ or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_text(TWO_LISTENERS, encoding="utf-8")
    settings = config.load(path)
    first, second = settings.listeners()
    assert (first.port, first.host, first.reader) == (49199, "0.0.0.0", "shared")
    assert (second.port, second.host, second.reader) == (49135, "127.0.0.1", "own")
    assert settings.registration_namespace_grace_ms == 1200
    assert path.read_text(encoding="utf-8") == TWO_LISTENERS


def test_a_byte_order_mark_is_not_text(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_bytes(b"\xef\xbb\xbfworkers: []\n")
    assert config.load(path) == config.EngineConfig()


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "null\n", "{}", "workers:\n", "workers: []\nmodules: null\n"]
)
def test_a_file_that_lists_nothing_starts_nothing_but_what_is_always_on(text):
    assert config.parse(text, "f.yaml", {}) == config.EngineConfig()


def test_without_a_file_every_default_worker_is_started():
    kinds = [one.kind for one in config.default({}).instances]
    assert sorted(kinds) == sorted(name for name, one in config.BUILT_IN.items() if one.always or one.default)
    assert {"iii-http", "iii-cron", "iii-pubsub", "iii-state"} <= set(kinds)


def test_a_file_that_cannot_be_read(tmp_path):
    for path, problem in [(tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(ConfigError) as caught:
            config.load(path)
        assert str(caught.value) == f"{path}: cannot be read: {problem}; name a readable file"


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_bytes(b"workers: \xff\n")
    with pytest.raises(ConfigError, match=r"engine\.yaml: is not UTF-8 \(byte 9\); save it as UTF-8"):
        config.load(path)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("${A:y}", {"A": "x"}, "x"),
        ("${A:y}", {"A": ""}, ""),
        ("${A:y}", {}, "y"),
        ("${A:}", {}, ""),
        ("${A:redis://h:1}", {}, "redis://h:1"),
        ("a${A:1}b${B:2}c", {"B": "3"}, "a1b3c"),
        ("v: ${A:__III_ENGINE_VERSION__}", {}, f"v: {iii_actors.__version__}"),
        ("x: 1\n  # ${A}\ny: 2", {}, "x: 1\n  # ${A}\ny: 2"),
        ("${A:${B}}", {}, "${B}"),
        ("$A ${} {A}", {}, "$A ${} {A}"),
        ("${A}", {"A": "${B}"}, "${B}"),
    ],
)
def test_expansion(text, environ, expected):
    assert expand(text, "f.yaml", environ) == expected


def test_an_expanded_value_is_typed_by_yaml():
    settings = config.parse("registration_namespace_grace_ms: ${MS:7}", "f.yaml", {"MS": "8"})
    assert settings.registration_namespace_grace_ms == 8


def test_a_variable_that_is_not_set():
    assert refusal("workers: []\nmodules: ${A}\n") == (
        "f.yaml:2: Environment variable 'A' not set and no default provided; set it, or write ${A:default}"
    )


@pytest.mark.parametrize("text", ["registration_namespace_grace_ms: 9", ""])
def test_the_environment_wins_over_the_file(text):
    environ = {"III_NAMESPACE_GRACE_MS": "0"}
    assert config.parse(text, "f.yaml", environ).registration_namespace_grace_ms == 0
    assert config.default(environ).registration_namespace_grace_ms == 0


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "1e3", "9" * 16])
def test_a_grace_that_is_no_number(value):
    with pytest.raises(
        ConfigError, match=r"environment variable III_NAMESPACE_GRACE_MS: .* is not a whole number of milli"
    ):
        config.default({"III_NAMESPACE_GRACE_MS": value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "workers: []\nport: 3\n",
            "f.yaml:2: port: unknown field `port`, expected one of `registration_namespace_grace_ms`, `modules`, "
            "`workers`; correct or remove it",
        ),
        ("self: 3", "f.yaml:1: self: unknown field `self`, expected one of"),
        ("- a\n", "f.yaml:1: the settings are not a mapping; write `workers:` and a list"),
        ("text", "f.yaml:1: the settings are not a mapping"),
        ("workers: 3", "f.yaml:1: workers: should be a list, not 3"),
        ("workers:\n - a\n", "f.yaml:2: workers[0]: should be a mapping, not 'a'"),
        ("modules:\n - image: x\n", "f.yaml:2: modules[0].name: missing field `name`; add it"),
        ("workers:\n - name: 3\n", "f.yaml:2: workers[0].name: should be text, not 3"),
        ("workers:\n - name: ''\n", "f.yaml:2: workers[0].name: should be some text, not ''"),
        (
            "workers:\n - name: configuration\n   adaptor: x\n",
            "f.yaml:3: workers[0].adaptor: unknown field `adaptor`, expected one of `name`, `config`, `image`",
        ),
        (
            "workers:\n - name: configuration\n - name: iii-worker-manager\n   config:\n     host: h\n     port: abc\n",
            "f.yaml:6: workers[1].config.port: should be a whole number, not 'abc'; leave it out for the default, 49134",
        ),
        (
            "workers:\n - name: iii-worker-manager\n   config: {port: 65536}\n",
            "f.yaml:3: workers[0].config.port: should be less than or equal to 65535, not 65536",
        ),
        ("workers:\n - name: iii-worker-manager\n   config: [1]\n", "f.yaml:3: workers[0].config: should be a mapping"),
        (
            "a: [",
            "f.yaml:1: is not YAML: while parsing a flow node expected the node content, but found '<stream end>'",
        ),
        ("a: b: c", "f.yaml:1: is not YAML: mapping values are not allowed here; check indentation, quotes and colons"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: is not YAML: expected a single document in the stream but found another"),
        ("a: !!python/object:os.system x", "f.yaml:1: is not YAML: could not determine a constructor for the tag"),
        ("\x00", "f.yaml: is not YAML: character 0x0 at position 0 is not allowed; remove it"),
        ("a: 2024-99-99", "f.yaml: cannot be read: month must be in 1..12; correct the value, or put it in quotes"),
        ("[" * 5000, "f.yaml: is nested too deeply to be read; simplify it"),
        ("workers: &a [*a]", "f.yaml:1: workers[0]: should be a mapping, not a list"),
        ("workers: []\n\nworkers: []\n", "f.yaml:3: `workers` is given twice; keep one"),
        (
            "workers:\n - name: configuration\n   config: {a: 1, a: 2}\n",
            "f.yaml:3: `a` is given twice; keep one",
        ),
        ("1: 2", "f.yaml:1: a key is not text; put it in quotes"),
    ],
)
def test_mistakes(text, message):
    assert refusal(text).startswith(message)


def test_several_mistakes_are_counted():
    assert refusal("a: 1\nb: 2\nc: 3\n").endswith("correct or remove it (and 2 more)")


def test_a_merge_key_is_not_a_mistake():
    text = "workers:\n - &a {name: configuration, image: x}\n - {<<: *a, image: y}\n"
    assert [entry.image for entry in config.parse(text, "f.yaml", {}).workers] == ["x", "y"]


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(text):
    try:
        config.parse(text, "f.yaml", {})
    except ConfigError as error:
        assert str(error).startswith("f.yaml")
        assert len(str(error).splitlines()) == 1
