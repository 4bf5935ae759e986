import subprocess
import sys
from pathlib import Path

from pulsebot.stream.config import LocalStream
from pulsebot.stream.local import LocalAdmin, LocalReader, LocalWriter
from pulsebot.stream.open import open_admin, open_reader, open_writer


def test_the_type_decides(tmp_path: Path) -> None:
    """The settings' type gives the classes of that stream, and touches nothing yet."""
    settings = LocalStream(path=tmp_path / "log.db")
    assert isinstance(open_reader(settings), LocalReader)
    assert isinstance(open_writer(settings), LocalWriter)
    assert isinstance(open_admin(settings), LocalAdmin)
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_log_does_not_load_the_kafka_client() -> None:
    """Who has no Kafka does not pay for its client."""
    program = """
import sys
from pulsebot.stream.config import LocalStream
from pulsebot.stream.open import open_reader
open_reader(LocalStream())
sys.exit("aiokafka" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
