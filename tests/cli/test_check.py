"""`check`: what a settings file means, before an engine runs by it."""

import pytest


@pytest.fixture
def check(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def checked(text, *arguments):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        return run("check", *arguments)

    return checked


def test_it_lists_what_would_run(check):
    outcome = check("workers:\n  - {name: iii-http, config: {port: 8080, default_timeout: 5}}\n  - name: cron\n")
    assert (outcome.code, outcome.err) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in outcome.out.splitlines()[3:]}
    assert rows["iii-http"] == ["127.0.0.1:8080", "default_timeout=5"]
    assert rows["cron"] == ["-", "-"]
    assert rows["iii-worker-manager"] == ["127.0.0.1:49134", "-"]
    assert "iii-state" not in rows


def test_all_shows_the_defaults_too(check):
    outcome = check("workers: [{name: iii-state}]", "--all")
    assert "triggers_enabled=true" in outcome.out
    assert "max_value_bytes=null" in outcome.out


def test_passwords_are_not_shown(check):
    redis = "{name: redis, config: {redis_url: 'redis://ada:secret@db:6379'}}"
    outcome = check(f"workers: [{{name: iii-state, config: {{adapter: {redis}}}}}]")
    assert outcome.code == 0
    assert "secret" not in outcome.out
    assert "redis://ada:***@db:6379" in outcome.out


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_what_is_open_is_said(check, host):
    outcome = check(f"workers: [{{name: iii-worker-manager, config: {{host: '{host}'}}}}]")
    warnings = [line for line in outcome.out.splitlines() if line.startswith("Warning: ")]
    assert len(warnings) == 2
    assert "whoever reaches it may call everything" in warnings[0]
    assert "without encryption" in warnings[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "workers: [{name: iii-http, config: {prot: 1}}]",
            "config.yaml:1: workers[0].config.prot: unknown field `prot`",
        ),
        ("workers: [{name: iii-http, config: {port: x}}]", "workers[0].config.port: should be a whole number"),
        ("workers:\n  - {name: nobody}", "config.yaml:2: workers[0].name: failed to create worker 'nobody'"),
        ("workers: [", "is not YAML"),
        ("port: ${NOWHERE_SET}", "Environment variable 'NOWHERE_SET' not set and no default provided"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_1(check, text, problem):
    outcome = check(text)
    assert outcome.code == 1
    assert problem in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_a_file_that_is_not_there(check):
    outcome = check("", "-c", "other.yaml")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: other.yaml: cannot be read: No such file or directory")
