"""The store: everything that pulsebot keeps, in one SQLite file."""
