"""The planning service under load and faults; `python -m benchmarks.service --help`."""
