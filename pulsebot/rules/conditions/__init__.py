"""Conditions: one file each, and one table that names them all."""
