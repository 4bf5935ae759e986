"""The HTTP API: the answers of the commands as JSON, one file a resource and one table."""
