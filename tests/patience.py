"""How long tests wait for what must come."""

PATIENCE_S = 240.0
"""Nothing takes that long, not on a slow and busy machine either: it bounds a test that fails."""
