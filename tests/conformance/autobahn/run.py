"""Run the Autobahn test-suite (its fuzzing client) against an echo server on our transport.

    python tests/conformance/autobahn/run.py --reader shared --reader own --summary docs/autobahn.rst

The suite needs Python 2.7. It is installed once, into a virtualenv in a cache folder (``III_ACTORS_AUTOBAHN_CACHE``,
else ``$XDG_CACHE_HOME/iii_actors/autobahn``). Exit status: 0 conformant; 1 a case FAILED, or the number of cases is not
the expected one; 2 bad usage; 3 the suite cannot be had here (``test_against_websockets.py`` is the fallback).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import csv
import dataclasses
import datetime as dt
import fcntl
import html
import io
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence

SUITE = "autobahntestsuite==0.8.2"
VIRTUALENV = "virtualenv<20.16"
ALL_CASES = 301
COMPRESSION = ["12.*", "13.*"]
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DEFAULT_SERVER = shlex.join([sys.executable, str(HERE / "echo_server.py"), "{port}", "--reader", "{reader}"])

# Why a result other than OK may stand, by a pattern for the beginning of the case's number.
WHY = {
    r"3\.|4\.|5\.15": "The violation came right after a message whose echo had not left when the connection ended.",
    r"6\.4\.": "UTF-8 is checked once the message is whole: invalid text is refused all the same, only later.",
    r"7\.1\.6": "The suite takes no side: how much of what came before a Close is answered is the server's choice.",
    r"7\.13\.": "The suite takes no side: the specification leaves these close codes undefined.",
}


class SuiteUnavailable(Exception):
    """The Autobahn test-suite cannot be had on this machine:"""


class RunFailed(Exception):
    """The echo server or the suite did not run to its end:"""


@dataclasses.dataclass(frozen=True)
class Case:
    number: str
    outcome: str
    close: str
    description: str
    result: str

    @property
    def failed(self) -> bool:
        return "FAILED" in (self.outcome, self.close)

    @property
    def why(self) -> str:
        return next((text for start, text in WHY.items() if re.match(start, self.number)), "Not explained yet.")


def clean_environment(**extra: str) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return env | extra


def quietly(command: Sequence[str], env: Mapping[str, str] | None = None) -> str | None:
    """What the command prints, or None if it is missing or fails."""
    try:
        done = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_python27() -> str:
    candidates = [os.environ.get("III_ACTORS_PYTHON27"), shutil.which("python2.7")]
    versions = [v for v in (quietly(["pyenv", "versions", "--bare"]) or "").split() if v.startswith("2.7")]
    which = ["pyenv", "which", "python2.7"]
    candidates += [quietly(which, clean_environment(PYENV_VERSION=version)) for version in versions]
    probe = "import sys; print('%d.%d %s' % (sys.version_info[0], sys.version_info[1], sys.executable))"
    for candidate in candidates:
        answer = quietly([candidate, "-c", probe], clean_environment()) if candidate else None
        if answer and answer.startswith("2.7 "):
            return answer.split(" ", 1)[1]
    raise SuiteUnavailable("no Python 2.7 found (III_ACTORS_PYTHON27, python2.7 on PATH, pyenv's versions)")


def install_suite() -> pathlib.Path:
    """The path of ``wstest``, in a virtualenv that is made on first use; one process at a time."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    chosen = os.environ.get("III_ACTORS_AUTOBAHN_CACHE") or pathlib.Path(base) / "iii_actors" / "autobahn"
    cache = pathlib.Path(chosen).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    home, ready = cache / "venv", cache / "venv" / "ready"
    wstest = home / "bin" / "wstest"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        works = quietly([str(home / "bin" / "python"), "--version"]) is not None
        if works and ready.exists() and ready.read_text() == SUITE:
            return wstest
        python = find_python27()
        print(f"installing {SUITE} for {python} in {home} (about a minute, once)", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        with tempfile.TemporaryDirectory() as tool:
            steps = [
                [python, "-m", "pip", "install", "--quiet", "--target", tool, VIRTUALENV],
                [python, "-m", "virtualenv", "--quiet", str(home)],
                [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", SUITE],
            ]
            for step in steps:
                env = clean_environment(PYTHONPATH=tool) if "virtualenv" in step else clean_environment()
                done = subprocess.run(
                    step, check=False, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
                if done.returncode:
                    raise SuiteUnavailable(f"`{shlex.join(step)}` failed:\n{done.stdout[-2000:]}")
        ready.write_text(SUITE)
    return wstest


@contextlib.contextmanager
def child(command: Sequence[str], log: pathlib.Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended with its group when the block is left, however it is left."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def tail(log: pathlib.Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip()


def wait_for_tcp(server: subprocess.Popen[bytes], port: int, log: pathlib.Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.02)
        if server.poll() is not None:
            raise RunFailed(f"the echo server ended with status {server.returncode}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise RunFailed(f"the echo server did not listen on port {port} within {seconds:g} s:\n{tail(log)}")


def run_suite(options: argparse.Namespace, wstest: pathlib.Path, reader: str, folder: pathlib.Path) -> list[Case]:
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    servers = [{"agent": f"reader-{reader}", "url": f"ws://127.0.0.1:{port}"}]
    spec = {"outdir": str(folder / "reports"), "servers": servers, "cases": options.run_only or ["*"]}
    shutil.rmtree(folder / "reports", ignore_errors=True)
    (folder / "spec.json").write_text(json.dumps(spec | {"exclude-cases": COMPRESSION, "exclude-agent-cases": {}}))
    words = shlex.split(options.server)
    command = [word.replace("{port}", str(port)).replace("{reader}", reader) for word in words]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    server_log, suite_log = folder / "server.log", folder / "wstest.log"
    with child(command, server_log, os.environ | {"PYTHONPATH": path}) as server:
        wait_for_tcp(server, port, server_log, seconds=30)
        arguments = [str(wstest), "-m", "fuzzingclient", "-s", str(folder / "spec.json")]
        with child(arguments, suite_log, clean_environment()) as suite:
            try:
                status = suite.wait(timeout=options.timeout)
            except subprocess.TimeoutExpired:
                raise RunFailed(f"the suite took over {options.timeout:g} s, at:\n{tail(suite_log)}") from None
        if status or not (folder / "reports" / "index.json").exists():
            raise RunFailed(f"the suite ended with status {status}:\n{tail(suite_log)}")
        if server.poll() is not None:
            raise RunFailed(f"the echo server ended on its own with status {server.returncode}:\n{tail(server_log)}")
    return read_reports(folder / "reports")


def read_reports(folder: pathlib.Path) -> list[Case]:
    cases = []
    for agent in json.loads((folder / "index.json").read_text()).values():
        for number, row in agent.items():
            report = json.loads((folder / row["reportfile"]).read_text())
            description = html.unescape(re.sub("<[^>]*>", " ", report["description"]))
            result = " ".join(dict.fromkeys((report["result"], report["resultClose"])))
            cases.append(Case(number, row["behavior"], row["behaviorClose"], " ".join(description.split()), result))
    return sorted(cases, key=lambda case: [int(part) for part in case.number.split(".")])


def counts(values: Iterator[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in collections.Counter(values).most_common())


def not_ok(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if (case.outcome, case.close) != ("OK", "OK")]


def print_table(reader: str, cases: Sequence[Case], seconds: float) -> None:
    print(f"reader {reader}: {len(cases)} cases in {seconds:.0f} s")
    print(f"  outcome: {counts(case.outcome for case in cases)}")
    print(f"  close:   {counts(case.close for case in cases)}")
    for case in not_ok(cases):
        print(f"  {case.number:8} {case.outcome:14} {case.close:14} {textwrap.shorten(case.description, 150)}")
        if case.failed:
            print(f"  {'':8} -> {textwrap.shorten(case.result, 150)}")


def table(title: str, *rows: Sequence[str]) -> str:
    """A csv-table directive; the first row is the header."""
    text = io.StringIO()
    plain = [[re.sub(r"([\\*`|_])", r"\\\1", cell) for cell in row] for row in rows]
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(plain)
    return f".. csv-table:: {title}\n   :header-rows: 1\n\n" + textwrap.indent(text.getvalue(), "   ").rstrip()


def summary(results: Mapping[str, Sequence[Case]], server: str) -> str:
    totals = [(r, str(len(c)), counts(x.outcome for x in c), counts(x.close for x in c)) for r, c in results.items()]
    strange: dict[tuple[str, ...], list[str]] = {}
    for reader, cases in results.items():
        for case in not_ok(cases):
            row = (case.number, case.outcome, case.close, case.description, case.why)
            strange.setdefault(row, []).append(reader)
    rows = [(*row, ", ".join(readers)) for row, readers in strange.items()]
    subject = "an echo handler on our own transport" if server == DEFAULT_SERVER else f"``{server}``"
    intro = (
        f"The fuzzing client of {SUITE.replace('==', ' ')}, without the compression cases (12 and 13), against {subject}. "
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{dt.datetime.now(dt.UTC).date()}. Written by ``tests/conformance/autobahn/run.py``."
    )
    title = "WebSocket conformance (Autobahn)"
    parts = [f"{title}\n{'=' * len(title)}", textwrap.fill(intro, 120, break_on_hyphens=False)]
    parts.append(table("Results", ["Reader", "Cases", "Outcome", "Close"], *totals))
    if rows:
        header = ["Case", "Outcome", "Close", "What the suite does", "Why", "Reader"]
        parts.append(table("Every result that is not OK", header, *rows))
    return "\n\n".join(parts) + "\n"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--server", default=DEFAULT_SERVER, help="echo server's command; {port} and {reader} are filled in")
    add("--reader", action="append", choices=["shared", "own"], help="may be repeated; default: shared")
    add("--run-only", type=lambda text: text.split(","), metavar="CASES", help='such as "1.*,2.*"')
    add("--cases", type=int, help=f"expected number of cases (default {ALL_CASES}; unchecked with --run-only)")
    add("--summary", type=pathlib.Path, metavar="FILE", help="write the results as reStructuredText")
    add("--reports", type=pathlib.Path, metavar="FOLDER", help="keep the suite's own HTML reports and the logs here")
    add("--timeout", type=float, default=300, help="seconds for the whole suite, per reader (default 300)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    results: dict[str, list[Case]] = {}
    try:
        wstest = install_suite()
        with tempfile.TemporaryDirectory() as scratch:
            for reader in dict.fromkeys(options.reader or ["shared"]):
                began = time.monotonic()
                folder = (options.reports or pathlib.Path(scratch)).resolve() / reader
                results[reader] = run_suite(options, wstest, reader, folder)
                print_table(reader, results[reader], time.monotonic() - began)
    except (SuiteUnavailable, RunFailed) as error:
        print(f"{type(error).__doc__} {error}", file=sys.stderr)
        return 3 if isinstance(error, SuiteUnavailable) else 1
    if options.summary:
        options.summary.write_text(summary(results, options.server))
    expected = options.cases or (None if options.run_only else ALL_CASES)
    for reader, cases in results.items():
        if expected and len(cases) != expected:
            print(f"reader {reader}: {len(cases)} cases ran, {expected} expected", file=sys.stderr)
            return 1
    return 1 if any(case.failed for cases in results.values() for case in cases) else 0


if __name__ == "__main__":
    raise SystemExit(main())
