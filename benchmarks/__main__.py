"""``python -m benchmarks``: measure every row of the table and print it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import (
    rows_calls,
    rows_cron,
    rows_http,
    rows_pubsub,
    rows_queue,
    rows_sdk,
    rows_state,
    rows_stream,
    rows_workers,
)
from benchmarks.bench import Bench, Row
from benchmarks.processes import Failed
from benchmarks.report import LEGEND, circumstances, page
from benchmarks.table import Result, Sample, as_json, as_text, number
from benchmarks.tools import ToolsMissing, build

ROWS: Final[Sequence[Row]] = [
    *rows_calls.ROWS,
    rows_calls.SOAK,
    *rows_workers.ROWS,
    *rows_http.ROWS,
    *rows_pubsub.ROWS,
    *rows_cron.ROWS,
    *rows_state.ROWS,
    *rows_stream.ROWS,
    *rows_queue.ROWS,
    *rows_sdk.ROWS,
]
_KEYS: Final = [row.key for row in ROWS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 0, or 1 if a row could not be measured, whatever the figures are."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    try:
        tools = build(options.bench_dir)
    except ToolsMissing as missing:
        print(f"Error: {missing}", file=sys.stderr)
        return 1
    facts = circumstances(_command(options))
    bench = Bench(tools, options.runs, options.duration, options.soak)
    results: list[Result] = []
    failed = False
    for row in ROWS:
        if row.key in options.rows:
            measured, whole = _measured(row, bench)
            results += measured
            failed = failed or not whole
    print("\n".join([*(f"{name:8} {fact}" for name, fact in facts.items()), "", as_text(results), "", LEGEND]))
    print("".join(f"\nnote: {note}" for note in bench.notes), end="")
    print(f"\n{time.monotonic() - began:.0f} s in all")
    if options.json is not None:
        report = {**facts, "rows": as_json(results), "notes": bench.notes}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.rst is not None:
        options.rst.write_text(page(facts, results, bench.notes), encoding="utf-8")
    return int(failed)


def _measured(row: Row, bench: Bench) -> tuple[list[Result], bool]:
    """Return the row's lines, and whether all of its rounds could be measured; tell each round on stderr."""
    lines = row.lines(bench)
    rounds: list[Sequence[Sample]] = []
    whole = True
    noted = len(bench.notes)
    try:
        for samples in row.rounds(bench):
            rounds.append(samples)
            figures = (f"{number(sample.value)} {line.unit}" for line, sample in zip(lines, samples, strict=True))
            print(f"{row.key:11} round {len(rounds)}  {', '.join(figures)}", file=sys.stderr, flush=True)
    except Failed as failure:
        whole = False
        bench.notes.append(str(failure))
    bench.notes[noted:] = [f"{row.key}: {note}" for note in bench.notes[noted:]]
    for note in bench.notes[noted:]:
        print(note, file=sys.stderr, flush=True)
    return [Result(line, [samples[at] for samples in rounds]) for at, line in enumerate(lines)], whole


def _command(options: argparse.Namespace) -> str:
    """Return the command that measures the same again, without the paths of this machine."""
    parts = ["python -m benchmarks"]
    if options.rows != _KEYS:
        parts.append(f"--rows {','.join(options.rows)}")
    parts += [f"--runs {options.runs}", f"--duration {options.duration:g}", f"--soak {options.soak}"]
    return " ".join(parts)


def _rows(text: str) -> list[str]:
    wanted = text.split(",")
    unknown = sorted(set(wanted) - set(_KEYS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no row is called {', '.join(unknown)}")
    return [key for key in _KEYS if key in wanted]


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


class _Parser(argparse.ArgumentParser):
    """Fills in what ``--quick`` changes, unless it was given."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        options = super().parse_args(args, namespace)
        usual = {"runs": 1, "duration": 2.0, "soak": 100_000} if options.quick else {}
        for name, value in ({"runs": 3, "duration": 3.0, "soak": 1_000_000} | usual).items():
            if getattr(options, name) is None:
                setattr(options, name, value)
        return options


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmarks", description="Measure the engine beside the relay; print one table.")
    parser.add_argument("--rows", type=_rows, default=_KEYS, metavar="A,B", help=f"only these of {', '.join(_KEYS)}")
    parser.add_argument("--runs", type=_count, metavar="N", help="rounds of each row (3)")
    parser.add_argument("--duration", type=_positive, metavar="S", help="seconds a run measures (3)")
    parser.add_argument("--soak", type=_count, metavar="N", help="calls to make in all (1,000,000)")
    parser.add_argument("--quick", action="store_true", help="--runs 1 --duration 2 --soak 100000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there too")
    parser.add_argument("--rst", type=Path, metavar="FILE", help="write the page of the documentation there too")
    parser.add_argument("--bench-dir", metavar="DIR", help="the generators (III_ACTORS_BENCH; ../shared/bench)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
