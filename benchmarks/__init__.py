"""How every figure we claim is measured: ``python -m benchmarks.NAME [--quick] --json OUT``."""
