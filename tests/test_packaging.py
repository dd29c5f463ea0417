"""The package as it is installed, and the commands the README promises."""

import configparser
import importlib.metadata
import re
from pathlib import Path

import iii_actors

ROOT = Path(__file__).parents[1]
ROOTS = {"iii_actors": ROOT, "iii_worker": ROOT / "sdk"}


def readme_command(title: str) -> str:
    return re.search(rf"^{title}::\n\n    (.+)$", (ROOT / "README.rst").read_text(encoding="utf-8"), re.MULTILINE)[1]


def test_there_is_one_version():
    assert importlib.metadata.version("iii-actors") == iii_actors.__version__
    assert iii_actors.__version__ in (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")


def test_the_console_script_is_main():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="iii-actors")
    assert script.value == "iii_actors.cli:main"
    assert callable(script.load())


def test_ci_runs_the_test_command_of_the_readme():
    assert readme_command("Test") in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_run_command_makes_its_own_environment():
    assert readme_command("Run").startswith("python3 -m venv .venv && ")
    assert readme_command("Run").endswith(".venv/bin/python -m iii_actors")


def test_public_names_are_found_on_demand():
    for name in iii_actors.__all__:
        assert getattr(iii_actors, name) is not None
    assert set(iii_actors.__all__) <= set(dir(iii_actors))


def settings():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_is_listed():
    there = {
        ".".join(init.parent.relative_to(base).parts)
        for name, base in ROOTS.items()
        for init in (base / name).rglob("__init__.py")
    }
    assert set(settings()["options"]["packages"].split()) == there


def test_every_data_file_is_listed():
    """Files that are not Python, such as pages and type markers, are installed only if package_data names them."""
    listed = settings()["options.package_data"]
    for name, base in ROOTS.items():
        patterns = listed[name].split()
        installed = {path for pattern in patterns for path in (base / name).glob(pattern)}
        there = {
            path
            for path in (base / name).rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts
        }
        assert there <= installed
