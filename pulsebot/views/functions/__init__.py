"""Scalar functions: one file a kind of value, all in `table`."""
