"""What a worker says of itself (spec sdk.md §5.5)."""

import pytest

from iii_worker.announce import announcement
from iii_worker.options import InitOptions, TelemetryOptions


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    return tmp_path


def data(**options):
    return announcement(InitOptions(worker_name="w", **options).resolved())["data"]


def test_the_project_is_named_by_its_pyproject(here):
    (here / "pyproject.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    assert data()["telemetry"] == {
        "language": "en_US",
        "project_name": "shop",
        "framework": "iii-py",
        "amplitude_api_key": None,
    }


@pytest.mark.parametrize("text", [None, "not toml [", "[tool.x]\n", "[project]\nname = 5\n", "project = 5\n"])
def test_or_else_by_its_folder(here, text):
    if text is not None:
        (here / "pyproject.toml").write_text(text, encoding="utf-8")
    assert data()["telemetry"]["project_name"] == here.name


def test_what_is_given_goes_before(here, monkeypatch):
    monkeypatch.setenv("III_ISOLATION", "container")
    given = data(telemetry=TelemetryOptions("de", "p", "f", "k"), namespace="n", worker_description="d")
    assert given["telemetry"] == {"language": "de", "project_name": "p", "framework": "f", "amplitude_api_key": "k"}
    assert (given["namespace"], given["description"], given["isolation"]) == ("n", "d", "container")


def test_what_is_not_given_is_left_out(here):
    assert "namespace" not in data()
    assert "description" not in data()
