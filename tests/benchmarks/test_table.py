"""The pure parts of the benchmarks: shares, medians, verdicts, and the table's forms. Nothing is measured here."""

import json

import pytest

from benchmarks.__main__ import ROWS, _parser
from benchmarks.table import Goal, Line, Of, Result, Sample, as_json, as_rst, as_text, number

SHARE = Line("4x4", "calls/s", Goal(0.75, Of.RELAY))
AT_MOST = Line("clean-up", "us", Goal(2000, at_most=True))


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians():
    result = Result(SHARE, [Sample(10, relay=20), Sample(80, relay=100), Sample(30, relay=30)])
    assert result.median("value") == 30
    assert result.median("relay") == 30
    assert result.share(Of.RELAY) == 0.8


@pytest.mark.parametrize(("values", "reached"), [((74,), False), ((75,), True), ((60, 76, 80), True)])
def test_a_share_is_judged_by_the_relay_of_its_own_rounds(values, reached):
    result = Result(SHARE, [Sample(value, relay=100, errors=0, lost=0) for value in values])
    assert result.reached is reached


@pytest.mark.parametrize("faults", [{"errors": 1, "lost": 0}, {"errors": 0, "lost": 1}])
def test_one_call_in_error_or_lost_in_one_round_spoils_the_row(faults):
    good = Sample(90, relay=100, errors=0, lost=0)
    assert Result(SHARE, [good, good]).reached
    assert not Result(SHARE, [good, Sample(90, relay=100, **faults)]).reached


def test_a_limit_that_must_not_be_passed():
    assert Result(AT_MOST, [Sample(2000)]).reached
    assert not Result(AT_MOST, [Sample(2001)]).reached


def test_a_row_beside_a_load_is_judged_by_itself_without_the_load():
    line = Line("beside idle", "calls/s", Goal(0.95, Of.PLAIN))
    result = Result(line, [Sample(96, relay=300, plain=100)])
    assert result.reached
    assert result.judged == 0.96
    assert "0.96" in result.line.goal.text(result.judged)
    assert not Result(line, [Sample(94, relay=94, plain=100)]).reached


def test_what_could_not_be_measured_is_not_reached_and_says_so():
    result = Result(SHARE, [])
    assert not result.reached
    assert result.judged is None
    assert "failed" in result.cells()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (0.75, "0.75"), (12.34, "12.3"), (35.0, "35"), (123.4, "123"), (47900, "47,900")],
)
def test_figures_are_short(value, text):
    assert number(value) == text


def some_results():
    samples = [Sample(31000, 40000, None, 40000, 1900, 3800, 0, 0), Sample(33000, 40000, None, 41000, 1800, 3700, 0, 0)]
    return [Result(SHARE, samples), Result(AT_MOST, [Sample(900, yardstick=40000, p50_us=900, p99_us=1500)])]


def test_the_text_table_has_a_line_per_row_and_straight_columns():
    head, *rows = as_text(some_results()).splitlines()
    assert len(rows) == 2
    for name, cells in (("relay", ("40,000", "")), ("lost", ("0", ""))):
        end = head.index(name) + len(name)
        for row, cell in zip(rows, cells, strict=True):
            assert row[:end].endswith("  " + cell if cell else "  ")


def test_the_rst_table_is_well_formed():
    """Every boundary of a simple table's columns is blank in every row, and no row begins with a blank cell."""
    rule, _, again, *rows, last = as_rst(some_results()).splitlines()
    assert rule == again == last
    gaps = [at for at, mark in enumerate(rule) if mark == " "]
    for row in rows:
        assert row[0] != " "
        assert all(row[at] == " " for at in gaps if at < len(row))


def test_the_json_form_keeps_every_round():
    first, second = json.loads(json.dumps(as_json(some_results())))
    assert first["engine"] == 32000
    assert [sample["value"] for sample in first["rounds"]] == [31000, 33000]
    assert first["ratio"] == pytest.approx(0.8)
    assert second["ratio"] is None
    assert second["reached"] is True


def test_rows_are_chosen_by_key_and_kept_in_their_order():
    assert _parser().parse_args(["--rows", "churn,4x4"]).rows == ["4x4", "churn"]
    with pytest.raises(SystemExit):
        _parser().parse_args(["--rows", "4x5"])


def test_keys_are_unique():
    assert len({row.key for row in ROWS}) == len(ROWS)


def test_quick_changes_only_what_was_not_given():
    usual = _parser().parse_args([])
    quick = _parser().parse_args(["--quick", "--runs", "2"])
    assert (usual.runs, usual.duration, usual.soak) == (3, 3.0, 1_000_000)
    assert (quick.runs, quick.duration, quick.soak) == (2, 2.0, 100_000)
