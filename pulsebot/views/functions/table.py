"""The table of scalar functions: a new one is a line here, under the name that ksqlDB gives it."""

import math
from collections.abc import Mapping

from pulsebot.civil import zone_of
from pulsebot.views.datatype import Type
from pulsebot.views.functions import documents, moments, numbers, patterns, texts
from pulsebot.views.functions.base import Check, Function

_S, _I, _D, _A, _B = Type.STRING, Type.BIGINT, Type.DOUBLE, Type.ANY, Type.BOOLEAN
_LIST, _MAP = Type.ARRAY, Type.MAP

_MOMENT: Mapping[int, Check] = {1: moments.check_pattern, 2: zone_of}
_ZONE: Mapping[int, Check] = {1: zone_of}
_FIRST: Mapping[int, Check] = {0: patterns.compiled}
_SECOND: Mapping[int, Check] = {1: patterns.compiled}
_PATH: Mapping[int, Check] = {1: documents.check_path}


def _first_known(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _unless_equal(left: object, right: object) -> object:
    return None if left == right else left


FUNCTIONS: dict[str, Function] = {
    "ABS": Function(abs, (_D,), None),
    "ARRAY_CONTAINS": Function(documents.contains, (_LIST, _A), _B),
    "ARRAY_JOIN": Function(documents.joined, (_LIST, _S), _S, optional=1),
    "ARRAY_LENGTH": Function(len, (_LIST,), _I),
    "ARRAY_MAX": Function(documents.greatest, (_LIST,), _A),
    "ARRAY_MIN": Function(documents.least, (_LIST,), _A),
    "CEIL": Function(math.ceil, (_D,), _I),
    "COALESCE": Function(_first_known, (_A,), None, endless=True, strict=False),
    "CONCAT": Function(texts.concat, (_A,), _S, endless=True, strict=False),
    "CONCAT_WS": Function(texts.concat_ws, (_S, _A), _S, endless=True, strict=False),
    "DAY_OF_WEEK": Function(moments.day_of_week, (_I, _S), _I, optional=1, checks=_ZONE),
    "EXP": Function(math.exp, (_D,), _D),
    "EXTRACTJSONFIELD": Function(documents.field, (_A, _S), _S, checks=_PATH),
    "FLOOR": Function(math.floor, (_D,), _I),
    "FORMAT_TIMESTAMP": Function(moments.to_text, (_I, _S, _S), _S, optional=1, checks=_MOMENT),
    "GREATEST": Function(max, (_A,), None, endless=True),
    "HOUR_OF_DAY": Function(moments.hour_of_day, (_I, _S), _I, optional=1, checks=_ZONE),
    "IFNULL": Function(_first_known, (_A, _A), None, strict=False),
    "INITCAP": Function(str.title, (_S,), _S),
    "INSTR": Function(lambda text, part: text.find(part) + 1, (_S, _S), _I),
    "IS_JSON_STRING": Function(documents.is_json, (_S,), _B),
    "JSON_ARRAY_LENGTH": Function(documents.array_length, (_A,), _I),
    "JSON_KEYS": Function(documents.keys, (_A,), _LIST),
    "LCASE": Function(str.lower, (_S,), _S),
    "LEAST": Function(min, (_A,), None, endless=True),
    "LEN": Function(len, (_S,), _I),
    "LN": Function(math.log, (_D,), _D),
    "LOG": Function(numbers.logarithm, (_D, _D), _D, optional=1),
    "LPAD": Function(texts.padded(left=True), (_S, _I, _S), _S),
    "MAP_KEYS": Function(sorted, (_MAP,), _LIST),
    "MAP_VALUES": Function(documents.values, (_MAP,), _LIST),
    "MASK": Function(texts.masked, (_S,), _S),
    "NULLIF": Function(_unless_equal, (_A, _A), None, strict=False),
    "PARSE_TIMESTAMP": Function(moments.from_text, (_S, _S, _S), _I, optional=1, checks=_MOMENT),
    "POWER": Function(math.pow, (_D, _D), _D),
    "REGEXP_EXTRACT": Function(patterns.extract, (_S, _S, _I), _S, optional=1, checks=_FIRST),
    "REGEXP_EXTRACT_ALL": Function(
        patterns.extract_all, (_S, _S, _I), _LIST, optional=1, checks=_FIRST
    ),
    "REGEXP_LIKE": Function(patterns.like, (_S, _S), _B, checks=_SECOND),
    "REGEXP_REPLACE": Function(patterns.replaced, (_S, _S, _S), _S, checks=_SECOND),
    "REGEXP_SPLIT_TO_ARRAY": Function(patterns.split, (_S, _S), _LIST, checks=_SECOND),
    "REPLACE": Function(texts.replaced, (_S, _S, _S), _S),
    "ROUND": Function(numbers.rounded, (_D, _I), _D, optional=1),
    "RPAD": Function(texts.padded(left=False), (_S, _I, _S), _S),
    "SIGN": Function(numbers.sign, (_D,), _I),
    "SPLIT": Function(texts.split, (_S, _S), _LIST),
    "SPLIT_TO_MAP": Function(texts.split_to_map, (_S, _S, _S), _MAP),
    "SQRT": Function(math.sqrt, (_D,), _D),
    "SUBSTRING": Function(texts.substring, (_S, _I, _I), _S, optional=1),
    "TO_JSON_STRING": Function(documents.to_json, (_A,), _S),
    "TRIM": Function(str.strip, (_S,), _S),
    "TRUNC": Function(math.trunc, (_D,), _I),
    "UCASE": Function(str.upper, (_S,), _S),
    "URL_EXTRACT_HOST": Function(texts.url_part("hostname"), (_S,), _S),
    "URL_EXTRACT_PATH": Function(texts.url_part("path"), (_S,), _S),
    "URL_EXTRACT_PROTOCOL": Function(texts.url_part("scheme"), (_S,), _S),
    "URL_EXTRACT_QUERY": Function(texts.url_part("query"), (_S,), _S),
}
FUNCTIONS |= {
    "CEILING": FUNCTIONS["CEIL"],
    "LENGTH": FUNCTIONS["LEN"],
    "LOWER": FUNCTIONS["LCASE"],
    "SUBSTR": FUNCTIONS["SUBSTRING"],
    "STRINGTOTIMESTAMP": FUNCTIONS["PARSE_TIMESTAMP"],
    "TIMESTAMPTOSTRING": FUNCTIONS["FORMAT_TIMESTAMP"],
    "UPPER": FUNCTIONS["UCASE"],
}

CHANGING: Mapping[str, str] = dict.fromkeys(
    ("CURRENT_DATE", "CURRENT_TIMESTAMP", "NOW", "UNIX_DATE", "UNIX_TIMESTAMP"),
    "views have no clock, so that a replay gives the same; use ROWTIME",
) | dict.fromkeys(("RANDOM", "UUID"), "would give something else in each replay")
"""Functions that are refused, and why."""
