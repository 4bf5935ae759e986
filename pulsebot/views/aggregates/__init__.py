"""Aggregates: one file each, all in `table`."""
