"""Signals that ask for an end, while a command is still setting itself up.

Whatever is half open then is taken apart like anything else. This module must not know what a
command opens, nor how one that runs is stopped.
"""

import asyncio
import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> tuple[signal.Signals, ...]:
    """Return the signals that end us; a closed terminal does not where `nohup` started us."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return ENDING


def cancel_on_signals() -> None:
    """Let the first signal cancel the present task; whoever runs for long takes the signals over.

    Later ones change nothing: taking apart is under way, and a second cancellation would leave
    it half done.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        if task is not None and not asked:
            asked.append(number)
            task.cancel()

    for number in heeded():
        loop.add_signal_handler(number, end, number)
