"""The grammar: words, names, lengths of time, windows and SELECTs of this dialect.

sqlglot reads expressions and SELECTs; clauses that it lacks are read here. This module must
not know which statements there are (`dialect` does), nor which streams or functions.
"""

from typing import Any, ClassVar, cast, get_args

from sqlglot import Token, TokenType, exp
from sqlglot import Tokenizer as BaseTokenizer
from sqlglot.dialects.dialect import Dialect, NormalizationStrategy
from sqlglot.parser import Parser as BaseParser

from pulsebot.views.place import InvalidSql, Place
from pulsebot.views.statement import (
    Name,
    Options,
    Query,
    Span,
    Unit,
    WindowClause,
)

MAX_LEVELS = 100
"""Expressions within expressions: each AND of a chain holds the one before it."""

_EMIT = TokenType.QUALIFY  # of clauses that this dialect lacks, so the token is free
_UNITS: tuple[Unit, ...] = get_args(Unit)
_FREED = {"QUALIFY", "PRIMARY KEY"}
_KEYWORDS = {word: kind for word, kind in BaseTokenizer.KEYWORDS.items() if word not in _FREED}


class _Window(exp.Expression):
    """Carries a window clause within sqlglot's tree."""

    arg_types: ClassVar[dict[str, bool]] = {"clause": True}


class _Emit(exp.Expression):
    arg_types: ClassVar[dict[str, bool]] = {"what": True}


class Grammar(Dialect):
    """ksqlDB's way of writing; names that are not quoted count in upper case."""

    NORMALIZATION_STRATEGY = NormalizationStrategy.UPPERCASE

    class Tokenizer(BaseTokenizer):
        """Quotes as in ksqlDB."""

        IDENTIFIERS: ClassVar[list[Any]] = ["`", '"']
        QUOTES: ClassVar[list[Any]] = ["'"]
        KEYWORDS: ClassVar[dict[str, TokenType]] = _KEYWORDS | {"EMIT": _EMIT}
        COMMANDS: ClassVar[set[TokenType]] = set()  # whose rest would not be read as words

    class Parser(BaseParser):
        """Every function stays a name with arguments: `functions` and `aggregates` know them."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CAST": BaseParser.FUNCTION_PARSERS["CAST"],
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CASE": BaseParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        }
        COLUMN_OPERATORS: ClassVar[dict[Any, Any]] = {
            TokenType.DOT: None,
            TokenType.ARROW: lambda self, this, key: exp.JSONExtract(this=this, expression=key),  # noqa: ARG005 - the shape that sqlglot calls
        }
        LAMBDAS: ClassVar[dict[Any, Any]] = {}  # `->` takes a field, within a function too
        QUERY_MODIFIER_PARSERS: ClassVar[dict[Any, Any]] = {
            token: BaseParser.QUERY_MODIFIER_PARSERS[token]
            for token in (
                TokenType.WHERE,
                TokenType.GROUP_BY,
                TokenType.HAVING,
                TokenType.ORDER_BY,
                TokenType.LIMIT,
            )
        } | {
            TokenType.WINDOW: lambda self: ("windows", [_Window(clause=self.window())]),
            _EMIT: lambda self: ("qualify", self.emit()),
        }

        def wrong(self, message: str, token: Token | None = None) -> InvalidSql:
            """Make the error about a token; else about the present one, or the text's end."""
            found = token or self._curr or None
            offset = found.start if found else len(self.sql.rstrip())
            return InvalidSql(message, Place.at(self.sql, offset))

        def take(self, *words: str) -> bool:
            """Step over these words if they stand here."""
            return bool(self._match_text_seq(*words))

        def need(self, *words: str) -> None:
            """Step over these words, or raise."""
            for word in words:
                if not self._match_text_seq(word):
                    raise self.wrong(f"expected {' '.join(words)}, not {shown(self._curr)}")

        def choose(self, *words: str) -> str:
            """Step over one of these words, or raise."""
            for word in words:
                if self._match_text_seq(word):
                    return word
            raise self.wrong(f"expected {' or '.join(words)}, not {shown(self._curr)}")

        def name(self) -> Name:
            """Read a name."""
            token = self._curr
            found = self._parse_id_var(any_token=False)
            if not isinstance(found, exp.Identifier):
                raise self.wrong(f"expected a name, not {shown(token)}", token)
            text = found.this if found.args.get("quoted") else found.this.upper()
            return Name(text, Place.at(self.sql, token.start))

        def string(self) -> str:
            """Read a text in quotes."""
            if not self._match(TokenType.STRING):
                raise self.wrong(f"expected a text in 'quotes', not {shown(self._curr)}")
            return str(self._prev.text)

        def number(self) -> int:
            """Read a whole number."""
            token = self._curr
            if not (self._match(TokenType.NUMBER) and self._prev.text.isdecimal()):
                raise self.wrong(f"expected a whole number, not {shown(token)}", token)
            return int(self._prev.text)

        def span(self) -> Span:
            """Read a length of time: `7 DAYS`."""
            count = self.number()
            word = self._curr.text.upper() if self._curr else ""
            unit = word.removesuffix("S")
            if unit not in _UNITS:
                raise self.wrong(
                    f"expected a unit of time ({', '.join(_UNITS)}), not {word or 'the end'}"
                )
            if not 0 < count <= _MAX_SPAN:
                raise self.wrong(f"expected 1 to {_MAX_SPAN} {unit}S", self._prev)
            self._advance()
            return Span(count, unit)

        def window(self) -> WindowClause:
            """Read what follows and includes WINDOW."""
            self._match(TokenType.WINDOW)
            place = Place.at(self.sql, self._prev.start)
            kind = self.choose("TUMBLING", "HOPPING", "SESSION")
            self.need("(")
            if kind != "SESSION":
                self.need("SIZE")
            clause: dict[str, Any] = {"size": self.span()}
            while self.take(","):
                self._window_part(kind, clause)
            self.need(")")
            if kind == "HOPPING" and "advance" not in clause:
                raise self.wrong(
                    "a hopping window needs ADVANCE BY: (SIZE 1 HOUR, ADVANCE BY 5 MINUTES)"
                )
            return WindowClause(cast("Any", kind), place=place, **clause)

        def _window_part(self, kind: str, clause: dict[str, Any]) -> None:
            parts = {
                "ADVANCE": "advance",
                "GRACE": "grace",
                "RETENTION": "retention",
                "TIMEZONE": "zone",
            }
            start = self._curr
            word = self.choose(*(parts if kind == "HOPPING" else list(parts)[1:]))
            if parts[word] in clause:
                raise self.wrong(f"{word} is given twice", start)
            if word == "TIMEZONE":
                clause["zone"] = self.string()
                return
            self.need(*{"ADVANCE": ("BY",), "GRACE": ("PERIOD",)}.get(word, ()))
            clause[parts[word]] = self.span()

        def emit(self) -> exp.Expression:
            """Read what follows and includes EMIT."""
            self._match(_EMIT)
            return _Emit(what=self.choose("CHANGES", "FINAL"))

        def query(self) -> Query:
            """Read a SELECT."""
            if not (self._curr and self._curr.token_type == TokenType.SELECT):
                raise self.wrong(f"expected SELECT, not {shown(self._curr)}")
            select = self._parse_select()
            if not isinstance(select, exp.Select):
                raise self.wrong("only one SELECT is supported: no UNION, no sub-query")
            self._shallow(select)
            windows, emit = select.args.get("windows"), select.args.get("qualify")
            select.set("windows", None)
            select.set("qualify", None)
            return Query(
                select,
                self.sql,
                window=windows[0].args["clause"] if windows else None,
                emit=emit.args["what"] if emit else None,
            )

        def _shallow(self, select: exp.Select) -> None:
            """Refuse what could not be walked by functions that call themselves."""
            level: list[exp.Expr] = [select]
            for _ in range(MAX_LEVELS):
                level = [part for node in level for part in node.iter_expressions()]
            if level:
                said = f"more than {MAX_LEVELS} levels; many values go into IN ('a', 'b')"
                raise InvalidSql(said, Place.of(level[0], self.sql))

        def options(self) -> Options:
            """Read `(NAME = value, …)`."""
            found: dict[str, str | int | float] = {}
            self.need("(")
            while True:
                name = self.name()
                self.need("=")
                if name.text in found:
                    raise self.wrong(f"{name} is given twice", self._prev)
                found[name.text] = self.number() if self._is_number() else self.string()
                if not self.take(","):
                    break
            self.need(")")
            return found

        def _is_number(self) -> bool:
            return bool(self._curr and self._curr.token_type == TokenType.NUMBER)

        def at_word(self, *words: str) -> bool:
            """Tell whether one of these words stands here, without stepping over it."""
            return bool(self._curr) and self._curr.text.upper() in words

        def since(self) -> int:
            """Return where the present token starts in the text."""
            return int(self._curr.start) if self._curr else len(self.sql)

        def text_since(self, start: int) -> str:
            """Return the text from there up to the last token that was read."""
            return self.sql[start : self._prev.end + 1]


_MAX_SPAN = 100_000


def shown(token: Token | None) -> str:
    """Return how a word appears in an error."""
    return f"`{token.text[:40]}`" if token else "the end of the statement"
