"""The table of commands, and the one command that is about the table."""

from pulsebot.commands.alerts import alerts
from pulsebot.commands.base import Command, Question
from pulsebot.commands.crashes import crashes
from pulsebot.commands.messages import messages
from pulsebot.commands.sql import carry_out, sql
from pulsebot.commands.status import status
from pulsebot.commands.triggers import triggers
from pulsebot.commands.unstable import unstable
from pulsebot.commands.view import view
from pulsebot.message import Fields, Message, Text
from pulsebot.moment import EXAMPLES
from pulsebot.store.database import Connection

WINDOWS = (
    "today, yesterday, monday, this week, last week, this month, last month, 90m, 24h, 7d, 1d12h, "
    "since 09:00, since 2026-11-20, 2026-11-20, 2026-11-01..2026-11-07"
)


def help_(connection: Connection, question: Question) -> Message:
    """Show what you can ask."""
    del connection, question
    rows = tuple((str(command), command.help) for command in COMMANDS.values())
    return Message(
        "What you can ask", (Fields(rows), Text(f"Windows: {WINDOWS}.\nTimes: {EXAMPLES}."))
    )


COMMANDS = {
    command.name: command
    for command in (
        Command("status", "[service] [at time]", status),
        Command("triggers", "service [window]", triggers),
        Command("crashes", "[service] [window]", crashes),
        Command("unstable", "[window]", unstable),
        Command("alerts", "[service] [window, or at time]", alerts),
        Command("messages", "[service] [window]", messages),
        Command("view", "name [key] [window]", view),
        Command("sql", "statement", sql, carry_out),
        Command("help", "", help_),
    )
}
