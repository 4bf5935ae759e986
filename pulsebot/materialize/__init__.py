"""Materializing: SQL views are kept up to date, built from old events, and asked."""
