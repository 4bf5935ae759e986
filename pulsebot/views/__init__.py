"""Views: what is computed from events and kept for asking."""
