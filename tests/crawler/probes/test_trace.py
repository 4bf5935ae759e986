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

NODE_CODE = """\
TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument must be of type string
    at Object.join (node:path:1305:7)
    at [eval]:1:17 {
  code: 'ERR_INVALID_ARG_TYPE'
}"""

NODE_CAUSE = """\
Error: boom
    at [eval]:1:7
    ... 4 lines matching cause stack trace ...
    at node:internal/main/eval_string:51:3 {
  [cause]: TypeError: in
      at [eval]:1:31
}"""

GO = """\
panic: wrapped: bad order
\tsecond line

goroutine 9 [running]:
main.(*Store).Place(0x0, {0x4811e0?, 0x11})
\t/app/b.go:3 +0x73
panic({0x4811e0?, 0x497d00?})
\t/usr/local/go/src/runtime/panic.go:860 +0x13a
created by main.main in goroutine 1
\t/app/b.go:4 +0x3f

goroutine 1 [sleep]:
time.Sleep(0x3b9aca00)
\t/usr/local/go/src/runtime/time.go:340 +0xbf
exit status 2"""

GO_FATAL = """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/app/d.go:2 +0x25"""

GO_HTTP = """\
2026/11/23 10:00:00 http: panic serving 127.0.0.1:5312: no such order
goroutine 34 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1947 +0xbe"""

CHAINED = "try:\n  {}['k']\nexcept KeyError as e:\n  raise ValueError('bad order') from e"
WHILE_HANDLING = "try:\n  {}['k']\nexcept KeyError:\n  1 / 0"
LOCAL = (
    "def f():\n  class OutOfStock(Exception): pass\n"
    "  OutOfStock.__module__ = 'builtins'\n  raise OutOfStock('no socks')\nf()"
)
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
        (NODE_CODE, "TypeError", 'The "path" argument must be of type string'),
        (NODE_CAUSE, "Error", "boom"),
        ("Error: boom\n    at f (/a.js:1:1)", "Error", "boom"),
        ("10:00:00 ERROR Error: boom\n    at f (/a.js:1:1)", "Error", "boom"),
        (_real(LOCAL), "f.<locals>.OutOfStock", "no socks"),
        (GO, "panic", "wrapped: bad order"),
        (GO_FATAL, "fatal error", "all goroutines are asleep - deadlock!"),
        (GO_HTTP, "panic", "no such order"),
    ],
    ids=[
        "python",
        "from",
        "during",
        "bare",
        "group",
        "recursion",
        "java",
        "node",
        "node-code",
        "node-cause",
        "error",
        "error-in-log-line",
        "python-local-class",
        "go",
        "go-fatal",
        "go-http",
    ],
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
    entries = _entries("ERROR caught ValueError: x\nno panic: it works\n\nnext")
    assert {e.error for e in entries} == {None}
    lines = [text for entry in entries for text in entry.texts]
    assert lines == ["ERROR caught ValueError: x", "no panic: it works", "", "next"]


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
