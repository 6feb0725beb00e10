"""Measurements, each a program: `python -m benchmarks.NAME`. They print figures and assert nothing."""
