"""What all benchmarks share: the machine in words, quantiles, tables, fresh processes, a broker.

It must not know what is measured.
"""

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from tests.kafka.broker import KafkaCluster
from tests.kafka.provision import Unavailable, machine

P = ParamSpec("P")
T = TypeVar("T")


def here() -> str:
    """Return the machine in one line: cores, load before the run, Python, SQLite, system."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores (load {load:.1f}), Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}"
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -(-round(len(ranked) * share * 1e6) // 1_000_000) - 1)]


def table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a title, the first one as the header: words left, figures right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}\n{here()}")
    for row in rows:
        first, *others = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip(), flush=True)


def afresh(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a new process: no earlier measurement has left anything in its memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


@contextmanager
def one_broker() -> Iterator[str]:
    """Start a real Kafka on loopback; give its address."""
    found = machine()
    if isinstance(found, Unavailable):
        sys.exit(f"NOT RUN: {found.reason}")
    with KafkaCluster(found, steady=True) as cluster:
        yield cluster.bootstrap
