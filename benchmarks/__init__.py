"""Benchmarks: run them with `make bench`; README.md says how they measure."""
