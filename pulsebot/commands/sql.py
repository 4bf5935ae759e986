"""`/sql`: statements from a chat, for operators."""

from collections.abc import Sequence

from pulsebot.commands.base import CarryOut, Question
from pulsebot.commands.rows import compact
from pulsebot.errors import InvalidInput
from pulsebot.materialize.answer import Answer
from pulsebot.message import Code, Message, Part, Text
from pulsebot.phrases import plural
from pulsebot.store.database import Connection

ROWS = 20
"""Rows of one answer."""

ANSWERS = 5
"""Answers in one reply."""

_STRAIGHT = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " "})
"""What phones and Slack make of quotes."""


def sql(connection: Connection, question: Question) -> Message:
    """Carry out SQL: create views, ask them (operators only)."""
    del connection, question
    raise InvalidInput('statements are carried out by the running bot; try: pulsebot sql "…"')


async def carry_out(carry: CarryOut, question: Question) -> Message:
    """Have statements carried out, and say what they gave."""
    text = question.text.strip().removeprefix("```").removesuffix("```").strip("` \n")
    if not text:
        raise InvalidInput("write a statement: /sql SHOW TABLES")
    return message_of(await carry(text.translate(_STRAIGHT)))


def message_of(answers: Sequence[Answer]) -> Message:
    """Return what statements gave as one message."""
    parts: list[Part] = []
    titles: list[str] = []
    for answer in answers[:ANSWERS]:
        head, _, rest = answer.said.partition("\n")
        titles += [head] if head else []
        parts += [Code(rest)] if rest else []
        if answer.columns:
            shown = answer.rows[:ROWS]
            parts.append(compact(answer.columns, shown))
            more = len(answer.rows) - len(shown)
            counted = plural(len(answer.rows), "row") + (" or more" if answer.cut else "")
            titles += [] if head else [counted]
            parts += [Text(f"… and {more:,} more rows; say LIMIT, or a key")] if more else []
    if len(answers) > ANSWERS:
        parts.append(Text(f"… and {len(answers) - ANSWERS} more answers"))
    return Message("; ".join(titles) or "Done.", tuple(parts))
