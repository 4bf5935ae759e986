"""What a newcomer reads at the start of the demo."""

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pulsebot.demo.cast import CAST
from pulsebot.demo.ground import Ground

QUESTIONS = (
    ("/triggers checkout today", "how often it was triggered"),
    ("/crashes today", "who crashed, and how often"),
    ("/status", "how everybody is"),
    ("/unstable", "who gives most trouble"),
    ("/view TRIGGER_PER_DAY", "a view in SQL, made by rules/views.sql"),
)


def show(ground: Ground) -> None:
    """Print the explanation."""
    end = "removes this folder" if ground.temporary else "keeps this folder"
    Console(highlight=False).print(
        Text.assemble("\n", ("pulsebot demo", "bold cyan"), "  everything below is real\n"),
        _lines(
            "Four little services have just been started on this machine.",
            "They work, and now and then they really break:",
        ),
        Padding(_cast(), (1, 0, 1, 2)),
        _lines(
            "All they do goes into a log on disk (with you that may be Kafka). The bot reads",
            "it, counts, and by the rules of rules/demo.yaml it shows here what is worth",
            "telling. The first crash is seconds away. Meanwhile, ask; Tab completes:",
        ),
        Padding(_questions(), (1, 0, 1, 2)),
        Text.assemble("All of it live, in a browser: ", (ground.board, "bold cyan")),
        Text.assemble(("Logs and data: ", "dim"), str(ground.folder)),
        Text(f"Ctrl-C ends everything and {end}.\n", "dim"),
        sep="\n",
    )


def _lines(*lines: str) -> RenderableType:
    return Group(*lines)


def _cast() -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for heading in ("service", "", "pulsebot hears of it by", "what will happen"):
        table.add_column(heading)
    for service in CAST:
        table.add_row(Text(service.name, "bold"), service.does, service.heard, service.fate)
    return table


def _questions() -> Table:
    table = Table.grid(padding=(0, 3))
    for question, meaning in QUESTIONS:
        table.add_row(Text(question, "cyan"), Text(meaning, "dim"))
    return table
