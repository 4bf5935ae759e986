import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Counts triggers per service and day with Kafka Streams, exactly once, in two threads.
 *
 * <p>Arguments: bootstrap, topic, application id, state folder, records. Prints the seconds from
 * RUNNING until the offsets of all records are committed, in one transaction with the changelog,
 * and the sum of all counts.
 */
public final class DayCount {
  private record Trigger(String service, long timeMs, long count) {}

  private static final ObjectReader READER = new ObjectMapper().reader();

  private static Trigger parsed(byte[] value) {
    try {
      JsonNode event = READER.readTree(value);
      long timeMs = Instant.parse(event.get("time").asText()).toEpochMilli();
      return new Trigger(
          event.get("source").asText(), timeMs, event.get("data").path("count").asLong(1));
    } catch (java.io.IOException error) {
      throw new IllegalStateException("not an event", error);
    }
  }

  private static StreamsBuilder topology(String topic) {
    Serde<Trigger> triggers = Serdes.serdeFrom((t, trigger) -> null, (t, bytes) -> parsed(bytes));
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(
            topic,
            Consumed.with(Serdes.String(), triggers)
                .withTimestampExtractor((record, before) -> ((Trigger) record.value()).timeMs()))
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofDays(1), Duration.ofDays(1)))
        .aggregate(
            () -> 0L,
            (service, trigger, sum) -> sum + trigger.count(),
            Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("counts")
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()));
    return builder;
  }

  private static Properties settings(String[] arguments) {
    Properties settings = new Properties();
    settings.putAll(
        Map.of(
            "bootstrap.servers", arguments[0],
            "application.id", arguments[2],
            "state.dir", arguments[3],
            "processing.guarantee", "exactly_once_v2",
            "num.stream.threads", "2",
            "replication.factor", "1",
            "auto.offset.reset", "earliest"));
    return settings;
  }

  private static long committed(Admin admin, String group) throws Exception {
    return admin
        .listConsumerGroupOffsets(group)
        .partitionsToOffsetAndMetadata()
        .get()
        .values()
        .stream()
        .mapToLong(found -> found == null ? 0 : found.offset())
        .sum();
  }

  private static long counted(KafkaStreams streams) {
    long sum = 0;
    var store =
        streams.store(
            StoreQueryParameters.fromNameAndType(
                "counts", QueryableStoreTypes.<String, Long>windowStore()));
    try (KeyValueIterator<?, Long> all = store.all()) {
      while (all.hasNext()) {
        sum += all.next().value;
      }
    }
    return sum;
  }

  public static void main(String[] arguments) throws Exception {
    long records = Long.parseLong(arguments[4]);
    CountDownLatch running = new CountDownLatch(1);
    try (KafkaStreams streams =
            new KafkaStreams(topology(arguments[1]).build(), settings(arguments));
        Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
      streams.setStateListener(
          (now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
              running.countDown();
            }
          });
      streams.start();
      running.await();
      long started = System.nanoTime();
      while (committed(admin, arguments[2]) < records) {
        Thread.sleep(10);
      }
      double seconds = (System.nanoTime() - started) / 1e9;
      System.out.println(seconds + " " + counted(streams));
    }
  }
}
