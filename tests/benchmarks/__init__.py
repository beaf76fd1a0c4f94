"""The project's own benchmark: ``python -m tests.benchmarks``; see docs/topics/performance.md."""
