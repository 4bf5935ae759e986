"""The shell of `pulsebot sql`: editing, history, completion, statements over several lines.

Enter carries out what ends with `;`, and begins a new line otherwise. This module must not know
how statements are carried out or how answers look.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from pulsebot.terminal.sqlwords import Vocabulary, is_complete

_PROMPT = HTML("<ansicyan>sql</ansicyan> <b>❯</b> ")
_HINT = HTML("<ansibrightblack>SHOW TABLES; · Tab completes · Ctrl-D ends</ansibrightblack>")
_MORE = "    … "
_ENDS = frozenset({r"\q", "exit", "quit"})


def shell(carry_out: Callable[[str], None], names: Callable[[], Vocabulary]) -> None:
    """Take statements from the terminal until the person ends the session.

    `carry_out` shows what they give and tells what is wrong with them; Ctrl-C ends it early.
    """
    session: PromptSession[str] = PromptSession(
        message=_PROMPT,
        placeholder=lambda: "" if get_app().is_done else _HINT,
        prompt_continuation=_MORE,
        multiline=True,
        key_bindings=_keys(),
        history=history(),
        complete_style=CompleteStyle.READLINE_LIKE,
        complete_while_typing=False,
    )
    while True:
        session.completer = _Completer(names())
        try:
            text = session.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.rstrip(";").strip().lower() in _ENDS:
            return
        if text:
            carry_out(text)


def history() -> History:
    """Return the history, in the state folder of this user; without a file where none can be."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    file = Path(state) / "pulsebot" / "sql_history"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(file)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text.strip()
        done = not text or text.startswith("\\") or text.lower() in _ENDS or is_complete(text)
        if done:
            buffer.validate_and_handle()
        else:
            buffer.newline()

    return keys


class _Completer(Completer):
    """Completes the word before the cursor; what is typed in small letters stays small."""

    def __init__(self, names: Vocabulary) -> None:
        self._names = names

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - named by the base class
    ) -> Iterable[Completion]:
        typed = document.get_word_before_cursor()
        typed = typed if typed.replace("_", "").isalnum() else ""
        for word in self._names.candidates(document.text_before_cursor, document.text):
            if typed and word.upper().startswith(typed.upper()):
                yield Completion(
                    word.lower() if typed.islower() else word, start_position=-len(typed)
                )
