"""`make bench`: this service beside the usual stacks on the same work, and against the limits of what it is made of.

Read `__main__.py` first; each module is one part of the measurement, and `docs/benchmarks.md` says what it measured.
"""
