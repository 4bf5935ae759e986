"""The layers: who may import whom.

A module imports from layers above its own, from its own room, and from the `base` of a room
beside it; nothing goes in circles. The two upper layers are pure: no I/O, no clock.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Room to layer, upper layers first. A longer name wins: `stream.config` is not in `stream`.
LAYERS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "values",
        frozenset(
            {"address", "civil", "days", "errors", "event", "fingerprint", "message", "moment"}
            | {"phrases", "timespan"}
        ),
    ),
    ("logic", frozenset({"digest", "language", "routing", "rules", "views", "window"})),
    (
        "config",
        frozenset(
            {"casetest", "configfile", "logs", "lookupfile", "mends", "rulefile", "ruleset"}
            | {"settings", "stream.config", "viewfile", "yamltree"}
        ),
    ),
    ("edges", frozenset({"chat", "publish", "store", "stream"})),
    (
        "services",
        frozenset(
            {"bot", "commands", "control", "daybook", "decide", "delivery", "gather", "intake"}
            | {"materialize", "pipeline", "rebuild", "scheduler", "sift", "web"}
        ),
    ),
    ("process", frozenset({"__main__", "app", "cli", "demo", "terminal"})),
)
PURE = ("values", "logic")

# Rooms that know a room of their own layer beyond its `base`, and why.
NEIGHBOURS = {
    ("bot", "commands"): "looks the command up in the table",
    ("commands", "materialize"): "asks the views that it keeps",
    ("control", "materialize"): "carries its answers over the socket",
    ("daybook", "commands"): "a digest ranks services as /unstable and /status do",
    ("decide", "sift"): "takes what it sifted",
    ("intake", "decide"): "decisions belong to the batch's transaction",
    ("intake", "materialize"): "SQL views belong to the batch's transaction",
    ("intake", "sift"): "sifting is its first step",
    ("materialize", "sift"): "reads the log as intake does",
    ("pipeline", "intake"): "hands it each batch",
    ("rebuild", "intake"): "writes the views as intake does",
    ("rebuild", "materialize"): "groups triggers as intake does",
    ("rebuild", "sift"): "reads the log as intake does",
    ("scheduler", "daybook"): "asks it for the day a digest tells about",
    ("sift", "gather"): "what is counted alike comes gathered",
    ("web", "commands"): "the API puts the same questions; the board calls stale what they do",
    ("web", "delivery"): "shows its figures",
    ("web", "materialize"): "asks the views that it keeps",
    ("web", "pipeline"): "shows its figures",
}
# Within these layers a room may use any other: one small language, one chain of wiring.
WHOLE_LAYERS = ("values", "logic", "config", "process")

# Packages of alternatives: members never know each other. Only their `table` (or `open`) knows
# them all; what they share is named here.
FAMILIES: Mapping[str, frozenset[str]] = {
    "pulsebot.chat": frozenset({"base", "lines", "terminal"}),
    "pulsebot.commands": frozenset({"base", "past", "rows"}),
    "pulsebot.rules.conditions": frozenset({"base"}),
    "pulsebot.stream": frozenset({"base", "config", "forking"}),
    "pulsebot.web.api": frozenset(
        {"base", "messages", "openapi", "parameters", "reading", "table"}
    ),
    "crawler.probes": frozenset({"base", "pattern", "tail", "trace"}),
}
WIRING = frozenset({"open", "table"})

# All that a crawler knows of the bot's package.
CRAWLER_KNOWS = (
    "pulsebot.event",
    "pulsebot.errors",
    "pulsebot.stream",
    "pulsebot.configfile",
    "pulsebot.logs",
    "pulsebot.phrases",
)

# The outside world of the pure layers: values, arithmetic and text.
_PURE_WORDS = """
    __future__ abc base64 bisect calendar collections contextlib copy dataclasses datetime
    ddsketch decimal difflib enum fractions functools hashlib heapq html ipaddress itertools
    json keyword math msgspec numbers operator pydantic pydantic_core re re2 sqlglot statistics
    string textwrap types typing unicodedata zoneinfo
"""
PURE_IMPORTS = frozenset(_PURE_WORDS.split())
IMPURE = {
    ("pulsebot.event", "uuid"): "an event is given its id by whoever makes it",
    ("pulsebot.views.functions.texts", "urllib.parse"): "it takes addresses apart, and opens none",
}
CLOCKS = frozenset({"now", "today", "utcnow"})
INPUT_OUTPUT = frozenset({"input", "open", "print"})


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, by its full name, and where; `typed`: for the type checker alone."""

    name: str
    line: int
    typed: bool


Sources = Mapping[str, str]


def tree() -> dict[str, str]:
    """Return the source of every module of the project by its full name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): (
            path.read_text("utf-8")
        )
        for package in ("pulsebot", "crawler")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def imports(source: str, known: Sources) -> Iterator[Import]:
    """Yield what a module imports; `from package import module` is the module."""
    module = ast.parse(source)
    typed = {id(node) for block in _type_checking(module) for node in ast.walk(block)}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = set(_origins(node, known))
        else:
            continue
        for name in sorted(names):
            yield Import(name, node.lineno, typed=id(node) in typed)


def _origins(node: ast.ImportFrom, known: Sources) -> Iterator[str]:
    origin = node.module or ""
    for alias in node.names:
        inner = f"{origin}.{alias.name}"
        yield inner if inner in known else origin


def _type_checking(module: ast.Module) -> Iterator[ast.If]:
    for node in ast.walk(module):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield node


def room(module: str) -> tuple[int, str] | None:
    """Return the layer and the room of a module of pulsebot; None where the table lacks it."""
    parts = module.split(".")[1:]
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        for layer, (_, rooms) in enumerate(LAYERS):
            if name in rooms:
                return layer, name
    return None


def complaints(sources: Sources) -> list[str]:
    """Return everything in these modules that breaks the layers."""
    found = []
    for module, source in sources.items():
        found += [f"{module}: not in the table of layers"] * _homeless(module)
        for imported in imports(source, sources):
            fault = _fault(module, imported.name)
            if fault:
                found.append(f"{module}:{imported.line}: {imported.name}: {fault}")
        if _is_pure(module):
            found += [
                f"{module}:{line}: reads the clock or the world" for line in _readings(source)
            ]
    return found + _circles(sources)


def _homeless(module: str) -> bool:
    return module.startswith("pulsebot.") and room(module) is None


def _is_pure(module: str) -> bool:
    place = room(module) if module.startswith("pulsebot.") else None
    return place is not None and LAYERS[place[0]][0] in PURE


def _fault(module: str, imported: str) -> str | None:
    owner, target = module.partition(".")[0], imported.partition(".")[0]
    if target not in {"pulsebot", "crawler"}:
        pure = target in PURE_IMPORTS or (module, imported) in IMPURE
        return "no part of a pure layer" if _is_pure(module) and not pure else None
    if owner == "crawler" and target == "pulsebot":
        allowed = imported in {"pulsebot", *CRAWLER_KNOWS} or imported.startswith(
            tuple(f"{name}." for name in CRAWLER_KNOWS)
        )
        return None if allowed else "a crawler must not know this room"
    if owner == "pulsebot" and target == "crawler":
        return None if module.startswith("pulsebot.demo") else "the bot must not know crawlers"
    return _family_fault(module, imported) or _layer_fault(module, imported)


def _layer_fault(module: str, imported: str) -> str | None:
    here, there = room(module), room(imported)
    if here is None or there is None or here == there or there[0] < here[0]:
        return None
    layer = LAYERS[here[0]][0]
    if there[0] > here[0]:
        return f"{layer} must not know {LAYERS[there[0]][0]}"
    neighbourly = layer in WHOLE_LAYERS or imported.endswith(".base")
    return None if neighbourly or (here[1], there[1]) in NEIGHBOURS else "a room beside it"


def _family_fault(module: str, imported: str) -> str | None:
    for family, shared in FAMILIES.items():
        if module.startswith(f"{family}.") and imported == family:
            return "its own package's __init__"
        if not (module.startswith(f"{family}.") and imported.startswith(f"{family}.")):
            continue
        here = module.removeprefix(f"{family}.").split(".")[0]
        there = imported.removeprefix(f"{family}.").split(".")[0]
        if here != there and here not in WIRING and there not in shared:
            return "a member of the same family"
    return None


def _readings(source: str) -> Iterator[int]:
    """Yield the lines that ask a clock, or talk to the world by a builtin."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            asks = isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
            talks = isinstance(node.func, ast.Name) and node.func.id in INPUT_OUTPUT
            if asks or talks:
                yield node.lineno


def _circles(sources: Sources) -> list[str]:
    graph = {
        module: {i.name for i in imports(source, sources) if not i.typed and i.name in sources}
        for module, source in sources.items()
    }
    try:
        TopologicalSorter({m: targets - {m} for m, targets in graph.items()}).prepare()
    except CycleError as error:
        return ["imports go in a circle: " + " -> ".join(error.args[1])]
    return []
