"""The embedded log: a stream in one SQLite file, for one machine and nothing to install."""

from pulsebot.stream.local.admin import LocalAdmin
from pulsebot.stream.local.reader import LocalReader
from pulsebot.stream.local.writer import LocalWriter

__all__ = ["LocalAdmin", "LocalReader", "LocalWriter"]
