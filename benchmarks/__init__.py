"""Measures the engine beside the bare relay, row by row: ``python -m benchmarks``; see docs/benchmarks.rst."""
