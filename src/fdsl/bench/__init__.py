"""Benchmarks: how fast images are drawn on this machine, beside what a user would do instead."""
