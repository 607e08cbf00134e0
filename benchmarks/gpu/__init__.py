"""Benchmarks for one NVIDIA GPU: torch, numpy and the standard library are all they need."""
