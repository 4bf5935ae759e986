"""Apache Kafka as a stream, by aiokafka."""

from pulsebot.stream.kafka.admin import KafkaAdmin
from pulsebot.stream.kafka.reader import KafkaReader
from pulsebot.stream.kafka.writer import KafkaWriter

__all__ = ["KafkaAdmin", "KafkaReader", "KafkaWriter"]
