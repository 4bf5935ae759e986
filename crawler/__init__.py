"""Crawlers: what watches a service, or sits inside it, and streams its events."""
