"""The table of aggregates: a new one is a file beside this one and a line here."""

from pulsebot.views.aggregates.base import Kind
from pulsebot.views.aggregates.count import Count
from pulsebot.views.aggregates.distinct import CountDistinct
from pulsebot.views.aggregates.extreme import Greatest, Least
from pulsebot.views.aggregates.percentile import P50, P95, P99, Percentile
from pulsebot.views.aggregates.place_in_log import CollectList, Earliest, Latest
from pulsebot.views.aggregates.ranking import CollectSet, TopK, TopKDistinct
from pulsebot.views.aggregates.total import Average, Total
from pulsebot.views.datatype import Type

AGGREGATES: dict[str, Kind] = {
    "AVG": Kind(Average, Type.DOUBLE, takes=Type.DOUBLE),
    "COLLECT_LIST": Kind(CollectList, Type.ARRAY),
    "COLLECT_SET": Kind(CollectSet, Type.ARRAY),
    "COUNT": Kind(Count, Type.BIGINT),
    "COUNT_DISTINCT": Kind(CountDistinct, Type.BIGINT),
    "EARLIEST_BY_OFFSET": Kind(Earliest, None),
    "LATEST_BY_OFFSET": Kind(Latest, None),
    "MAX": Kind(Greatest, None),
    "MIN": Kind(Least, None),
    "P50": Kind(P50, Type.DOUBLE, takes=Type.DOUBLE),
    "P95": Kind(P95, Type.DOUBLE, takes=Type.DOUBLE),
    "P99": Kind(P99, Type.DOUBLE, takes=Type.DOUBLE),
    "PERCENTILE": Kind(Percentile, Type.DOUBLE, takes=Type.DOUBLE, constants=1),
    "SUM": Kind(Total, None, takes=Type.DOUBLE),
    "TOPK": Kind(TopK, Type.ARRAY, constants=1),
    "TOPKDISTINCT": Kind(TopKDistinct, Type.ARRAY, constants=1),
}
