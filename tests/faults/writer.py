"""A process that appends the known load to a stream until it is told to stop (SIGTERM).

`python -m tests.faults.writer --config pulsebot.yaml --seed 1 --rate 400 --out written.ndjson`
notes in the file what the stream took, and only that. An append that failed is repeated with
the same bytes, so a record may be in the stream twice: a repetition like any other.
"""

import argparse
import asyncio
import json
import signal
import time
from pathlib import Path

from pulsebot.errors import StreamError
from pulsebot.settings import load
from pulsebot.stream.base import Outgoing, Writer
from pulsebot.stream.open import open_writer
from tests.faults.workload import Load, Written

CHUNK = 40


async def _write(config: Path, seed: int, rate: float, out: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    making, settings = Load(seed), load(config, {}).stream
    topics = settings.topics
    with out.open("a") as notes:
        async with open_writer(settings) as writer:
            while not stop.is_set():
                chunk = making.chunk(CHUNK, time.time_ns() // 1_000_000)
                records = [
                    Outgoing(topics.name(r.kind, r.service), r.service, r.value, (), r.log_ms)
                    for r in chunk
                ]
                await _append(writer, records)
                notes.writelines(json.dumps(_note(record)) + "\n" for record in chunk)
                await _pause(stop, CHUNK / rate)


async def _append(writer: Writer, records: list[Outgoing]) -> None:
    while True:
        try:
            return await writer.append(records)
        except StreamError as error:
            print(f"appending again: {error}", flush=True)  # noqa: T201 - for whoever looks on


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _note(record: Written) -> list[object]:
    return [record.kind, record.service, record.value.hex(), record.log_ms]


def read_notes(path: Path) -> list[Written]:
    """Return what a writer noted."""
    notes = map(json.loads, path.read_text().splitlines())
    return [Written(kind, service, bytes.fromhex(value), ms) for kind, service, value, ms in notes]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, default=400, help="records a second")
    parser.add_argument("--out", type=Path, required=True, help="NDJSON of what was appended")
    given = parser.parse_args()
    asyncio.run(_write(given.config, given.seed, given.rate, given.out))


if __name__ == "__main__":
    _main()
