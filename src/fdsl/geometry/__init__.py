"""Geometry kinds: parameter tables, and the scalar functions that trace them."""
