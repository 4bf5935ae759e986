import subprocess
import sys

import pytest

from crawler.probes.trace import Assembler, Entry

JAVA = """\
Exception in thread "main" java.lang.IllegalStateException: order 7 is gone
\tat com.shop.Orders.find(Orders.java:41)
\tat com.shop.Main.main(Main.java:9)
Caused by: java.io.IOException: disk
\tat com.shop.Disk.read(Disk.java:5)
\t... 1 more"""

NODE = """\
TypeError: Cannot read properties of undefined (reading 'id')
    at Object.<anonymous> (/app/server.js:10:7)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_X',
  [cause]: Error: inner
}"""

CHAINED = "try:\n  {}['k']\nexcept KeyError as e:\n  raise ValueError('bad order') from e"
WHILE_HANDLING = "try:\n  {}['k']\nexcept KeyError:\n  1 / 0"
GROUP = "raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])"


def _entries(text: str) -> list[Entry[int]]:
    assembler: Assembler[int] = Assembler()
    done = [e for n, line in enumerate(text.split("\n")) for e in assembler.feed(n, line)]
    return done + assembler.flush()


def _real(code: str) -> str:
    """Return what Python itself prints for an uncaught error."""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    return run.stderr.rstrip("\n")


@pytest.mark.parametrize(
    ("trace", "error", "message"),
    [
        (_real("1 / 0"), "ZeroDivisionError", "division by zero"),
        (_real(CHAINED), "ValueError", "bad order"),
        (_real(WHILE_HANDLING), "ZeroDivisionError", "division by zero"),
        (_real("assert False"), "AssertionError", None),
        (_real(GROUP), "ExceptionGroup", "two (2 sub-exceptions)"),
        (_real("def f(): return f()\nf()"), "RecursionError", "maximum recursion depth exceeded"),
        (JAVA, "java.lang.IllegalStateException", "order 7 is gone"),
        (NODE, "TypeError", "Cannot read properties of undefined (reading 'id')"),
        ("Error: boom\n    at f (/a.js:1:1)", "Error", "boom"),
    ],
    ids=["python", "from", "during", "bare", "group", "recursion", "java", "node", "error"],
)
def test_a_trace_is_one_entry_between_its_neighbours(
    trace: str, error: str, message: str | None
) -> None:
    """All lines of a trace come together, with its error; the lines around it stay alone."""
    entries = _entries(f"before\n{trace}\nafter 1\nafter 2")
    assert [e.texts for e in entries if e.error is None] == [["before"], ["after 1"], ["after 2"]]
    (found,) = [e for e in entries if e.error is not None]
    assert (found.error, found.message) == (error, message)
    assert found.stack == trace


def test_two_traces_in_a_row_are_two() -> None:
    """A second traceback that is not chained to the first is its own crash."""
    entries = _entries(_real("1 / 0") + "\n" + _real("{}['k']"))
    assert [e.error for e in entries] == ["ZeroDivisionError", "KeyError"]


def test_a_line_that_only_looks_like_a_head_stays_a_line() -> None:
    """An error's name in an ordinary line is no trace."""
    entries = _entries("ERROR caught ValueError: x\nnext")
    assert [(e.error, e.texts) for e in entries] == [
        (None, ["ERROR caught ValueError: x"]),
        (None, ["next"]),
    ]


def test_a_head_that_the_caller_knows_joins_its_trace() -> None:
    """A log line that announces a crash and the trace after it are one entry."""
    assembler: Assembler[int] = Assembler()
    done = assembler.feed(0, "2026 CRITICAL died", head=True)
    for number, line in enumerate(_real("1 / 0").split("\n"), 1):
        done += assembler.feed(number, line)
    done += assembler.flush()
    (entry,) = done
    assert entry.error == "ZeroDivisionError"
    assert entry.texts[0] == "2026 CRITICAL died"


def test_a_trace_without_end_is_bounded() -> None:
    """A million lines of stack keep a thousand in memory."""
    text = "Traceback (most recent call last):\n" + '  File "x"\n' * 50_000 + "E: m"
    (entry,) = _entries(text)
    assert len(entry.texts) == 1000
    assert entry.error == "E"
