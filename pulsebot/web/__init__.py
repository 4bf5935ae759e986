"""The web side: probes and metrics."""
