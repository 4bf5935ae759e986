import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsebot import fingerprint as fingerprints
from pulsebot.event import CrashData, crash
from pulsebot.fingerprint import MAX_FRAMES, MAX_STACK, fingerprint

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

PYTHON = """Traceback (most recent call last):
  File "/srv/app/main.py", line 10, in <module>
    run()
    ~~~^^
  File "/srv/app/orders.py", line 52, in place
    raise ValueError(f"no order {number}")
ValueError: no order 17
"""
JAVA = """java.lang.IllegalStateException: order 17
	at com.example.Orders.place(Orders.java:52)
	at com.example.App.lambda$main$0(App.java:12)
	at com.example.App$$Lambda$14/0x0000000800c03000.run(Unknown Source)
	at jdk.proxy2/jdk.proxy2.$Proxy57.call(Unknown Source)
	at java.base@17.0.9/java.lang.Thread.run(Thread.java:833)
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at Orders.#place (/srv/app/orders.js:52:13)
    at async Server.<anonymous> (file:///srv/app/main.js:10:3)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"""
GO = """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x49e19f]

goroutine 17 [running]:
example.com/shop/orders.(*Store).Place(0xc000012345, {0x4811e0?, 0x11})
\t/srv/app/orders/store.go:52 +0x5f
main.main.func1()
\t/srv/app/main.go:12 +0x1d

goroutine 4 [select]:
net/http.(*Server).Serve(0xc0000b2000)
\t/usr/local/go/src/net/http/server.go:3056 +0x3a
"""


def of(stack: str | None = None, **fields: Any) -> str:
    """Return the fingerprint of a crash with this stack."""
    return fingerprint(crash("svc-a", NOON, CrashData(**{"error": "E", "stack": stack} | fields)))


@pytest.mark.parametrize(
    ("stack", "again"),
    [
        (PYTHON, PYTHON.replace("52", "61").replace("17", "99")),
        (PYTHON, PYTHON.replace("/srv/app", "/home/me/checkout")),
        (PYTHON, PYTHON.replace("    ~~~^^\n", "").replace("run()", "run(now)")),
        (PYTHON, "\n".join(f"  | {line}" for line in PYTHON.splitlines())),
        (JAVA, re.sub(r":\d+\)", ":7)", JAVA).replace("17\n", "18\n")),
        (JAVA, JAVA.replace("Lambda$14/0x0000000800c03000", "Lambda$21/0x00007f3a2c0019f8")),
        (JAVA, JAVA.replace("$Proxy57", "$Proxy8").replace("17.0.9", "21.0.1")),
        (NODE, re.sub(r":\d+:\d+\)", ":1:2)", NODE)),
        (NODE, NODE.replace("/srv/app", "/opt/other")),
        (GO, GO.replace("0xc000012345", "0xc00000dead").replace("17 [", "98 [")),
        (GO, GO.replace("/srv/app", "/opt/other").replace("net/http.(*Server)", "os.(*File)")),
    ],
)
def test_the_same_crash_at_other_places_in_memory_and_file(stack: str, again: str) -> None:
    """Line numbers, folders, addresses and generated names do not make another crash."""
    assert stack != again
    assert of(stack) == of(again)


@pytest.mark.parametrize(
    ("stack", "other"),
    [
        (PYTHON, PYTHON.replace("in place", "in cancel")),
        (PYTHON, PYTHON.replace("orders.py", "payments.py")),
        (JAVA, JAVA.replace("Orders.place", "Orders.cancel")),
        (NODE, NODE.replace("#place", "#cancel")),
        (NODE, NODE.replace("Server.", "Client.")),
        (GO, GO.replace(").Place", ").Cancel")),
        (GO, GO.replace("main.main", "main.init")),
    ],
)
def test_another_function_is_another_crash(stack: str, other: str) -> None:
    """The functions and files near the fault decide."""
    assert of(stack) != of(other)


def test_the_error_itself_decides() -> None:
    """The same stack with another error, signal or exit code is another crash."""
    found = {
        of(PYTHON),
        of(PYTHON, error="KeyError"),
        of(PYTHON, signal="SIGSEGV"),
        of(PYTHON, exit_code=1),
        of(PYTHON, exit_code=2),
    }
    assert len(found) == 5


def test_the_message_does_not_count_where_there_is_a_stack() -> None:
    """Messages differ from one run to the next; a stack says enough."""
    assert of(PYTHON, message="no order 17") == of(PYTHON, message="nothing of the kind")


def test_without_a_stack_the_message_counts_less_its_values() -> None:
    """Numbers, addresses and ids in a message are left out; its words are not."""
    first = of(message="order 17 at 0x7f00ab in 123e4567-e89b-12d3-a456-426614174000")
    again = of(message="order 4 at 0xdeadbeef in 00000000-0000-0000-0000-000000000000")
    assert first == again
    assert first != of(message="basket 17 at 0x7f00ab in 123e4567-e89b-12d3-a456-426614174000")


def test_a_stack_that_is_none_falls_back_to_the_message() -> None:
    """Text without a known frame is as good as no stack."""
    assert of("segfault, sorry", message="m 1") == of(None, message="m 2")


@pytest.mark.parametrize("stack", [None, PYTHON, JAVA, NODE, GO])
def test_the_senders_own_fingerprint_wins(stack: str | None) -> None:
    """What the sender states is taken as it is."""
    assert of(stack, fingerprint="orders-empty") == "orders-empty"


def test_only_the_innermost_frames_count() -> None:
    """Another way to the same fault is the same crash: last frames in Python, first in Java."""
    frames = [f'  File "/a/m{n}.py", line 1, in f{n}' for n in range(MAX_FRAMES + 5)]
    assert of("\n".join(frames)) == of("\n".join(frames[5:]))
    assert of("\n".join(frames)) != of("\n".join(frames[:-1]))
    java = [f"\tat a.B.f{n}(B.java:1)" for n in range(MAX_FRAMES + 5)]
    assert of("\n".join(java)) == of("\n".join(java[:MAX_FRAMES]))
    assert of("\n".join(java)) != of("\n".join(java[1:]))


HOSTILE = [
    "\n" * 900_000,
    " " * 900_000,
    "  | " * 225_000,
    'File "' * 150_000,
    '  File "' + "a" * 900_000,
    '  File "a", line ' + "1" * 900_000,
    "at " + "a." * 450_000,
    "at " + "a " * 450_000,
    "at async " * 100_000,
    "at a(\n" * 150_000,
]


@pytest.mark.parametrize("stack", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_stack_costs_no_more_than_a_long_one(stack: str) -> None:
    """Whatever the length, only a bounded part from either end is looked at."""
    seen = fingerprints._ends(stack)
    assert len(seen) <= 2 * MAX_STACK
    assert len(of(stack)) == 12


def test_a_long_stack_keeps_its_innermost_frames() -> None:
    """What lies in the middle of a very long stack does not matter, at either end it does."""
    filler = "    some_source_line()\n" * 50_000
    assert of(PYTHON.replace("    run()", filler)) == of(
        PYTHON.replace("    run()", filler + filler)
    )
    assert of(filler + PYTHON) == of(PYTHON)
    assert of(JAVA + filler) == of(JAVA)


def test_a_frame_that_is_cut_in_two_is_left_out() -> None:
    """The border of what is looked at makes no frame that never was."""
    line = '  File "/a/m.py", line 1, in function\n'
    cut = len(line) - 6
    head = "x" * (MAX_STACK - cut - 1) + "\n" + line
    assert of(head + "y\n" * MAX_STACK, message="m") == of(None, message="m")


def test_text_that_cannot_be_encoded_is_no_obstacle() -> None:
    """A path that was not UTF-8 on the crashed machine still gives a fingerprint."""
    assert len(of(PYTHON.replace("orders.py", "ord\udcff.py"))) == 12


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_has_one_fingerprint(stack: str, message: str) -> None:
    """The same crash always gives the same 12 hexadecimal digits."""
    found = of(stack, message=message)
    assert re.fullmatch("[0-9a-f]{12}", found)
    assert found == of(stack, message=message)
