"""The dialect: text to statements, in the grammar of ksqlDB as far as it is spoken here.

Each statement has a reader of its own, so nothing is accepted that is not understood. This
module must not know which streams, columns or functions there are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, Literal, cast

from sqlglot import Token, TokenType
from sqlglot.errors import ParseError, SqlglotError, TokenError

from pulsebot.views.grammar import Grammar, shown
from pulsebot.views.place import InvalidSql, Place
from pulsebot.views.statement import (
    ColumnDefinition,
    Create,
    Describe,
    Drop,
    Explain,
    Replay,
    Show,
    Statement,
)

MAX_TEXT = 20_000
"""Characters of one text of SQL."""

MAX_DEPTH = 40
"""Brackets within brackets; the parser's time grows steeply with them."""

MAX_TOKENS = 4_000


class Pulse(Grammar):
    """ksqlDB's statements."""

    class Parser(Grammar.Parser):
        """Reads one statement after the other."""

        def _parse_statement(self) -> Any:
            """Read one statement; the first word says which."""
            word = self._curr.text.upper() if self._curr else ""
            reader = _READERS.get(word)
            if reader is None:
                raise self.wrong(f"expected one of {', '.join(_READERS)}, not {shown(self._curr)}")
            return reader(self)


def _create(parser: Grammar.Parser) -> Create:
    start = parser.since()
    parser.need("CREATE")
    replace = parser.take("OR", "REPLACE")
    kind = cast("Literal['TABLE', 'STREAM']", parser.choose("TABLE", "STREAM"))
    if parser.take("IF", "NOT", "EXISTS"):
        raise parser.wrong(f"IF NOT EXISTS is not supported; say CREATE OR REPLACE {kind}")
    name = parser.name()
    columns = _columns(parser) if parser.at_word("(") else ()
    options = parser.options() if parser.take("WITH") else {}
    since = None
    if parser.take("FROM"):
        parser.need("TIMESTAMP")
        since = parser.string()
    query = None
    if not columns or parser.at_word("AS"):
        parser.need("AS")
        query = parser.query()
    if columns and query:
        raise InvalidSql(f"{name}: give either columns or AS SELECT, not both", name.place)
    return Create(
        kind,
        name,
        parser.text_since(start),
        replace=replace,
        query=query,
        columns=columns,
        options=options,
        since=since,
    )


def _columns(parser: Grammar.Parser) -> tuple[ColumnDefinition, ...]:
    parser.need("(")
    columns: list[ColumnDefinition] = []
    while True:
        name, kind = parser.name(), parser.name()
        if parser.at_word("<"):
            raise parser.wrong(f"lists and maps have no types here: {name} JSON")
        if parser.take("("):  # VARCHAR(20), DECIMAL(10, 2): sizes bound nothing
            while parser.take(",") or not parser.take(")"):
                parser.number()
        key = parser.take("PRIMARY", "KEY") or parser.take("KEY")
        columns.append(ColumnDefinition(name, kind.text, key))
        if not parser.take(","):
            break
    parser.need(")")
    return tuple(columns)


def _drop(parser: Grammar.Parser) -> Drop:
    parser.need("DROP")
    kind = cast("Literal['TABLE', 'STREAM']", parser.choose("TABLE", "STREAM"))
    return Drop(kind, if_exists=parser.take("IF", "EXISTS"), name=parser.name())


def _show(parser: Grammar.Parser) -> Show:
    parser.choose("SHOW", "LIST")
    return Show(cast("Any", parser.choose("TABLES", "STREAMS", "FUNCTIONS")))


def _describe(parser: Grammar.Parser) -> Describe:
    parser.choose("DESCRIBE", "DESC")
    return Describe(parser.name())


def _replay(parser: Grammar.Parser) -> Replay:
    parser.need("REPLAY")
    parser.need("TABLE")
    name = parser.name()
    parser.need("FROM")
    parser.need("TIMESTAMP")
    return Replay(name, parser.string())


def _explain(parser: Grammar.Parser) -> Explain:
    parser.need("EXPLAIN")
    if parser.at_word("CREATE"):
        return Explain(_create(parser))
    if parser.at_word("SELECT"):
        return Explain(parser.query())
    return Explain(parser.name())


_READERS: Mapping[str, Callable[[Grammar.Parser], Statement]] = {
    "CREATE": _create,
    "SELECT": Grammar.Parser.query,
    "DROP": _drop,
    "SHOW": _show,
    "LIST": _show,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "EXPLAIN": _explain,
    "REPLAY": _replay,
}


def parse(text: str) -> list[Statement]:
    """Read statements separated by `;`. Raises InvalidSql, which names line and column."""
    statements: list[Statement] = []
    for found in parse_each(text):
        if isinstance(found, InvalidSql):
            raise found
        statements.append(found)
    if not statements:
        raise InvalidSql(f"expected one of {', '.join(_READERS)}, but there is nothing", Place())
    return statements


def parse_each(text: str) -> Iterator[Statement | InvalidSql]:
    """Read statements separated by `;`, and in the place of each that is none what is wrong.

    Raises InvalidSql where the whole text cannot be taken apart.
    """
    if len(text) > MAX_TEXT:
        raise InvalidSql(f"{len(text)} characters; {MAX_TEXT} at the most", Place())
    dialect = Pulse()
    try:
        tokens = dialect.tokenize(text)
    except TokenError as error:
        raise _untokenized(text, error) from None
    _bounded(tokens, text)
    for ends, words in groupby(tokens, key=lambda token: token.token_type == TokenType.SEMICOLON):
        if not ends:
            yield _read(dialect, list(words), text)


def _read(dialect: Pulse, words: list[Token], text: str) -> Statement | InvalidSql:
    try:
        [statement] = dialect.parser().parse(words, text)
    except ParseError as error:
        return _translated(error)
    except InvalidSql as error:
        return error
    except RecursionError:
        return InvalidSql("nested too deeply", Place.at(text, words[0].start))
    return cast("Statement", statement)


def parse_one(text: str) -> Statement:
    """Read a single statement."""
    statements = parse(text)
    if len(statements) != 1:
        raise InvalidSql(f"expected one statement, found {len(statements)}", Place())
    return statements[0]


_OPENS, _CLOSES = frozenset({"(", "[", "{", "CASE"}), frozenset({")", "]", "}", "END"})
_QUOTED = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_SIGNS = frozenset({"-", "+", "~"})
_APART = frozenset({",", "AND", "OR", "WHEN", "THEN", "ELSE", "FROM", "WHERE", "HAVING"})
"""What ends the operand of a NOT."""


def _bounded(tokens: list[Token], text: str) -> None:
    """Refuse what would keep the parser busy: it must never take a second."""
    if len(tokens) > MAX_TOKENS:
        raise InvalidSql(f"{len(tokens)} words; {MAX_TOKENS} at the most", Place())
    levels, before = [0], ""  # how many NOT and signs stand before an operand, within each bracket
    for token in tokens:
        word = "" if token.token_type in _QUOTED else token.text.upper()
        if word == ";":
            levels = [0]
        elif word in _OPENS:
            levels.append(0)
        elif word in _CLOSES:
            levels = levels[:-1] or [0]
        elif word == "NOT" or (word in _SIGNS and before in _SIGNS | {"NOT"}):
            levels[-1] += 1
        elif word in _APART:
            levels[-1] = 0
        before = word
        if sum(levels) + len(levels) > MAX_DEPTH:
            raise InvalidSql("nested too deeply", Place.at(text, token.start))


_CLOSED = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"|`[^`]*`", re.DOTALL)
_BEGINS = re.compile(r"/\*|['\"`]")


def _untokenized(text: str, error: TokenError) -> InvalidSql:
    """Return the error about what keeps a text from being words: mostly a quote left open."""
    if begins := _BEGINS.search(_CLOSED.sub(lambda match: " " * len(match[0]), text)):
        said = f"what begins here with {begins[0]} does not end"
        return InvalidSql(said, Place.at(text, begins.start()))
    return InvalidSql(_first_line(error), Place())


def _translated(error: ParseError) -> InvalidSql:
    first: dict[str, Any] = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "")
    place = Place(int(first.get("line") or 1), max(int(first.get("col") or 1) - len(near) + 1, 1))
    rest = str(first.get("end_context") or "").lstrip()
    found = f"not `{near}`" if rest and not rest.startswith(";") else f"after `{near}`"
    said = str(first.get("description") or _first_line(error))
    if said.startswith("Required keyword"):
        return InvalidSql(f"expected a value, {found}", place)
    if said.startswith("Invalid expression"):
        return InvalidSql(f"expected an operator, a clause, `;` or the end, not `{near}`", place)
    said = said.replace("Expecting", "expected")
    return InvalidSql(f"{said[0].lower()}{said[1:]}" + (f", {found}" if near else ""), place)


def _first_line(error: SqlglotError) -> str:
    return str(error).partition("\n")[0][:200]
