"""Rules: what is worth telling, and the alerts that come of it."""
