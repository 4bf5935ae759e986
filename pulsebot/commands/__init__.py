"""Commands: the questions that people ask, one file each, and one table."""
