"""The table of aggregates: a new one is a file beside this one and a line here."""

from pulsebot.views.aggregates.base import Kind
from pulsebot.views.aggregates.count import Count
from pulsebot.views.aggregates.extreme import Greatest, Least
from pulsebot.views.aggregates.total import Average, Total
from pulsebot.views.datatype import Type

AGGREGATES: dict[str, Kind] = {
    "AVG": Kind(Average, Type.DOUBLE, takes=Type.DOUBLE),
    "COUNT": Kind(Count, Type.BIGINT),
    "MAX": Kind(Greatest, None),
    "MIN": Kind(Least, None),
    "SUM": Kind(Total, None, takes=Type.DOUBLE),
}
