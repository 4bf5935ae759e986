"""Streams: where records come from and go to (Kafka, or the embedded log)."""
