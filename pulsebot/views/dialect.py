"""The dialect: text to statements, in the grammar of ksqlDB as far as it is spoken here.

Each statement has a reader of its own, so nothing is accepted that is not understood. This
module must not know which streams, columns or functions there are.
"""

from collections.abc import Callable, Mapping
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
            if self._match(TokenType.SEMICOLON):  # sqlglot keeps one that a comment follows
                return None
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
    if len(text) > MAX_TEXT:
        raise InvalidSql(f"{len(text)} characters; {MAX_TEXT} at the most", Place())
    dialect = Pulse()
    try:
        tokens = dialect.tokenize(text)
        _bounded(tokens, text)
        found = dialect.parser().parse(tokens, text)
    except ParseError as error:
        raise _translated(error) from None
    except TokenError as error:
        raise InvalidSql(_first_line(error), Place()) from None
    except RecursionError:
        raise InvalidSql("nested too deeply", Place()) from None
    return [cast("Statement", statement) for statement in found if statement is not None]


def parse_one(text: str) -> Statement:
    """Read a single statement."""
    statements = parse(text)
    if len(statements) != 1:
        raise InvalidSql(f"expected one statement, found {len(statements)}", Place())
    return statements[0]


def _bounded(tokens: list[Token], text: str) -> None:
    """Refuse what would keep the parser busy: it must never take a second."""
    if len(tokens) > MAX_TOKENS:
        raise InvalidSql(f"{len(tokens)} words; {MAX_TOKENS} at the most", Place())
    depth = 0
    for token in tokens:
        opens = token.text in {"(", "[", "{"} or token.text.upper() in {
            "CASE",
            "NOT",
            "-",
            "+",
            "~",
        }
        depth += opens - (token.text.upper() in {")", "]", "}", "END"})
        if depth > MAX_DEPTH:
            raise InvalidSql("nested too deeply", Place.at(text, token.start))


def _translated(error: ParseError) -> InvalidSql:
    first: dict[str, Any] = error.errors[0] if error.errors else {}
    place = Place(int(first.get("line") or 1), int(first.get("col") or 1))
    said = str(first.get("description") or _first_line(error))
    near = str(first.get("highlight") or "")
    return InvalidSql(f"{said[0].lower()}{said[1:]}" + (f", at `{near}`" if near else ""), place)


def _first_line(error: SqlglotError) -> str:
    return str(error).partition("\n")[0][:200]
