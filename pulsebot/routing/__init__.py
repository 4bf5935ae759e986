"""Routing: to whom a notification goes."""
