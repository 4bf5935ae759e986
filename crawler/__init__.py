"""Crawlers: they watch services, or sit inside them, and stream what they see."""
