"""Run the benchmarks one after the other, each in a process of its own.

    python -m tests.benchmarks [name …]     such as: python -m tests.benchmarks ingest sdk

Without names all of them; a benchmark that fails does not keep the others from running.
"""

import subprocess
import sys
from pathlib import Path

NAMES = sorted(
    path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py")
)


def main() -> int:
    """Run what is asked for; return how many failed."""
    wanted = sys.argv[1:] or NAMES
    if unknown := [name for name in wanted if name not in NAMES]:
        sys.exit(f"no benchmark called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    commands = [[sys.executable, "-m", f"tests.benchmarks.bench_{name}"] for name in wanted]
    return sum(subprocess.run(command, check=False).returncode != 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main())
