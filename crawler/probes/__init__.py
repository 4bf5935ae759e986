"""Probes: each watches one thing from outside and reports what it finds as events."""
