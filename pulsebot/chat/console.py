"""The console as a chat: messages appear in the terminal, a prompt takes commands.

On a terminal the prompt stays at the bottom, with history and completion, while messages
scroll by above it; anywhere else (a pipe, a service manager) plain lines go in and out. How
messages look is `pulsebot.chat.terminal`'s business.
"""

import asyncio
import getpass
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from typing import Self, TextIO
from zoneinfo import ZoneInfo

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle
from rich.console import Console
from starlette.routing import BaseRoute

from pulsebot.chat import terminal
from pulsebot.chat.base import Asker, Handler, Incoming, Reference
from pulsebot.chat.lines import read_lines
from pulsebot.errors import Permanent
from pulsebot.message import Message

Words = Callable[[Sequence[str]], Iterable[str]]
"""Candidates for the last of the words typed so far: `["tri"]`, `["triggers", "svc"]`."""

_PROMPT = HTML("<ansicyan>pulsebot</ansicyan> <b>❯</b> ")
_HINT = HTML("<ansibrightblack>/help · Tab completes · Ctrl-D ends</ansibrightblack>")
_ENDS = frozenset({"exit", "quit"})


class ConsoleChat:
    """The terminal pulsebot runs in; every target is the same one.

    `zone` is the IANA name of the reader's zone (None: the machine's). `on_exit` is called once
    when the person ends the session: Ctrl-C, Ctrl-D, `exit` or `quit`. The end of an input
    that is no terminal only ends the commands, so that a service without one keeps running.
    """

    name = "console"
    pace_s = 0.0

    def __init__(
        self,
        handler: Handler,
        *,
        zone: str | None = None,
        words: Words = lambda _: (),
        on_exit: Callable[[], None] = lambda: None,
        source: TextIO | None = None,
        sink: TextIO | None = None,
    ) -> None:
        self._handler = handler
        self._zone = zone
        self._words = words
        self._on_exit = on_exit
        self._source = source or sys.stdin
        self._sink = sink or sys.stdout
        self._console = _console(self._sink)
        self._numbers = count(1)
        self._lifetime = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._prompts():
                session = self._session()
                stack.enter_context(_above_the_prompt())
                self._console = _console(None)
                listening = self._prompt(session)
            else:
                listening = self._listen()
            task = asyncio.create_task(listening, name="console")
            stack.push_async_callback(_finish, task)
            self._lifetime = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._lifetime.aclose()

    async def send(
        self, target: str, message: Message, *, formatted: bool = True, notification: str = ""
    ) -> Reference:
        """Print a message with the local time; raises Permanent when the output is closed."""
        del notification  # nothing here recognises a repetition
        now = datetime.now(UTC).astimezone(ZoneInfo(self._zone) if self._zone else None)
        if formatted and terminal.terminal(self._console):
            self._print(terminal.alert(message, now))
        else:
            self._print(terminal.alert_text(message, now))
        return Reference(target, str(next(self._numbers)))

    def health(self) -> str | None:
        """Return None: a terminal that is gone shows when something is sent."""
        return None

    def http_routes(self) -> Sequence[BaseRoute]:
        """Return nothing: nobody has to reach us."""
        return ()

    def _print(self, what: object) -> None:
        try:
            self._console.print(what, soft_wrap=isinstance(what, str))
        except (OSError, ValueError) as error:
            raise Permanent(f"the console's output is closed ({error})") from error

    def _prompts(self) -> bool:
        own = self._source is sys.stdin and self._sink is sys.stdout
        return own and sys.stdin.isatty() and terminal.terminal(self._console)

    def _session(self) -> PromptSession[str]:
        return PromptSession(
            message=_PROMPT,
            placeholder=lambda: "" if get_app().is_done else _HINT,
            completer=_Completer(self._words),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
        )

    async def _prompt(self, session: PromptSession[str]) -> None:
        going_on = True
        with suppress(EOFError, KeyboardInterrupt, Permanent):
            while going_on:
                # signals and errors of the loop stay with the application
                line = await session.prompt_async(handle_sigint=False, set_exception_handler=False)
                going_on = await self._take(line)
        self._on_exit()

    async def _listen(self) -> None:
        async with aclosing(read_lines(self._source)) as lines:
            async for line in lines:
                with suppress(Permanent):  # `send` tells; there is nowhere to answer
                    self._print(f"> {terminal.visible(line)}")
                    if not await self._take(line):
                        self._on_exit()
                        return

    async def _take(self, line: str) -> bool:
        """Answer one line; return whether to go on."""
        text = line.strip().removeprefix("/")
        if text in _ENDS:
            return False
        reply = await self._handler(Incoming(self._asker(), text)) if text else None
        if reply and terminal.terminal(self._console):
            self._print(terminal.answer(reply))
        elif reply:
            self._print(terminal.answer_text(reply))
        return True

    def _asker(self) -> Asker:
        user = getpass.getuser()
        return Asker(chat=self.name, user=user, channel=self.name, name=user, zone=self._zone)


class _Completer(Completer):
    """Completes the word before the cursor from the candidates that begin like it."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - named by the base class
    ) -> Iterable[Completion]:
        typed = document.text_before_cursor.lstrip().removeprefix("/").split(" ")
        for word in self._words(typed):
            if word.startswith(typed[-1]):
                yield Completion(word, start_position=-len(typed[-1]))


@contextmanager
def _above_the_prompt() -> Iterator[None]:
    """Let what is printed appear above the prompt; errors that go to a file still go there."""
    own = sys.stderr
    with patch_stdout(raw=True):
        if not own.isatty():
            sys.stderr = own
        yield


def _console(sink: TextIO | None) -> Console:
    return Console(file=sink, markup=False, emoji=False, highlight=False)


async def _finish(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
