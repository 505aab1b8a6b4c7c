// What an application does with a share group, by the client of Apache Kafka itself. Fails with a stack trace; says what it saw.
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.*;

public class ShareProbe {
  static final int RECORDS = 1000;
  static final String TOPIC = "orders";
  static final String DEAD = "orders-dead";
  static final String GROUP = "workers";

  final String bootstrap;
  final Map<String, AtomicInteger> accepted = new ConcurrentHashMap<>();
  final Map<String, Integer> highest = new ConcurrentHashMap<>();
  final Set<String> renewed = ConcurrentHashMap.newKeySet();
  final AtomicInteger refused = new AtomicInteger();

  /** Members stay until they have been seen. */
  volatile boolean isStopped;

  ShareProbe(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  Map<String, Object> common() {
    return new HashMap<>(Map.of("bootstrap.servers", bootstrap));
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new IllegalStateException(what);
  }

  int numberOf(String value) {
    return Integer.parseInt(value.substring(1));
  }

  boolean isRejected(int number) {
    return number % 10 == 3;
  }

  boolean isReleased(int number, int deliveries) {
    return number % 10 == 5 && deliveries == 1;
  }

  int done() {
    int done = 0;
    for (AtomicInteger each : accepted.values()) done += each.get();
    return done;
  }

  void work(CountDownLatch finished) {
    try {
      share(finished);
    } finally {
      finished.countDown();
    }
  }

  void share(CountDownLatch finished) {
    Map<String, Object> config = common();
    config.put("group.id", GROUP);
    config.put("share.acknowledgement.mode", "explicit");
    config.put("max.poll.records", 50);
    try (ShareConsumer<String, String> consumer =
        new KafkaShareConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      consumer.setAcknowledgementCommitCallback((offsets, error) -> {
        if (error != null) refused.incrementAndGet();
      });
      consumer.subscribe(List.of(TOPIC));
      while (!isStopped) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(300))) {
          int number = numberOf(record.value());
          int deliveries = record.deliveryCount().orElse((short) -1);
          highest.merge(record.value(), deliveries, Math::max);
          // Whoever keeps a record for longer gets it again from its own client, without another delivery.
          if (number % 100 == 7 && renewed.add(record.value())) consumer.acknowledge(record, AcknowledgeType.RENEW);
          else if (isRejected(number)) consumer.acknowledge(record, AcknowledgeType.REJECT);
          else if (isReleased(number, deliveries)) consumer.acknowledge(record, AcknowledgeType.RELEASE);
          else {
            consumer.acknowledge(record, AcknowledgeType.ACCEPT);
            accepted.computeIfAbsent(record.value(), key -> new AtomicInteger()).incrementAndGet();
          }
        }
        if (done() >= RECORDS - RECORDS / 10) finished.countDown();
      }
    }
  }

  void run() throws Exception {
    try (Admin admin = Admin.create(common())) {
      admin.createTopics(List.of(new NewTopic(TOPIC, 2, (short) 1), new NewTopic(DEAD, 1, (short) 1))).all().get();
      ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, GROUP);
      admin.incrementalAlterConfigs(Map.of(group, List.of(
          new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET),
          new AlterConfigOp(new ConfigEntry("errors.deadletterqueue.topic.name", DEAD), AlterConfigOp.OpType.SET)
      ))).all().get();
      String reset = admin.describeConfigs(List.of(group)).all().get().get(group).get("share.auto.offset.reset").value();
      check(reset.equals("earliest"), "the group's configuration is " + reset);

      try (Producer<String, String> producer =
          new KafkaProducer<>(common(), new StringSerializer(), new StringSerializer())) {
        for (int i = 0; i < RECORDS; i++) producer.send(new ProducerRecord<>(TOPIC, i % 2, "k" + i, "v" + i));
        producer.flush();
      }
      CountDownLatch finished = new CountDownLatch(1);
      ExecutorService threads = Executors.newFixedThreadPool(3);
      List<Future<?>> members = new ArrayList<>();
      for (int i = 0; i < 3; i++) members.add(threads.submit(() -> work(finished)));
      boolean isDone = finished.await(40, TimeUnit.SECONDS);
      for (Future<?> member : members) if (member.isDone()) member.get();
      ShareGroupDescription described = admin.describeShareGroups(List.of(GROUP)).all().get().get(GROUP);
      for (int i = 0; i < 100 && described.members().size() < 3; i++) {
        Thread.sleep(100);
        described = admin.describeShareGroups(List.of(GROUP)).all().get().get(GROUP);
      }
      isStopped = true;
      for (Future<?> member : members) member.get(30, TimeUnit.SECONDS);
      threads.shutdown();
      check(isDone, "only " + done() + " records were accepted");
      check(described.members().size() == 3, "members: " + described.members().size());
      check(described.groupState() == GroupState.STABLE, "state: " + described.groupState());

      int releases = 0;
      for (int i = 0; i < RECORDS; i++) {
        int times = accepted.containsKey("v" + i) ? accepted.get("v" + i).get() : 0;
        check(times == (isRejected(i) ? 0 : 1), "v" + i + " was accepted " + times + " times");
        if (i % 10 == 5 && highest.get("v" + i) == 2) releases++;
      }
      check(releases == RECORDS / 10, releases + " came back with a second delivery");
      check(renewed.size() == RECORDS / 100, renewed.size() + " were renewed");
      check(refused.get() == 0, refused.get() + " acknowledgements were refused");

      int letters = 0;
      Map<String, Object> reading = common();
      reading.put("auto.offset.reset", "earliest");
      try (Consumer<String, String> consumer =
          new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer())) {
        consumer.assign(List.of(new TopicPartition(DEAD, 0)));
        long until = System.currentTimeMillis() + 10_000;
        while (letters < RECORDS / 10 && System.currentTimeMillis() < until) {
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
            check(isRejected(numberOf(record.value())), record.value() + " is among the dead letters");
            byte[] reason = record.headers().lastHeader("dead-letter-reason").value();
            check(new String(reason, StandardCharsets.UTF_8).equals("rejected"), "a reason");
            letters++;
          }
        }
      }
      check(letters == RECORDS / 10, letters + " dead letters");

      TopicPartition first = new TopicPartition(TOPIC, 0);
      var spec = Map.of(GROUP, new ListShareGroupOffsetsSpec());
      var offsets = admin.listShareGroupOffsets(spec).partitionsToOffsetInfo(GROUP).get();
      check(offsets.get(first).startOffset() == RECORDS / 2, "start " + offsets.get(first).startOffset());
      check(offsets.get(first).lag().orElse(-1L) == 0, "lag " + offsets.get(first).lag());
      var groups = admin.listGroups(ListGroupsOptions.forShareGroups()).all().get();
      check(groups.size() == 1 && groups.iterator().next().groupId().equals(GROUP), "groups: " + groups);

      admin.alterShareGroupOffsets(GROUP, Map.of(first, 490L)).all().get();
      List<Long> again = new ArrayList<>();
      Map<String, Object> config = common();
      config.put("group.id", GROUP);
      try (ShareConsumer<String, String> consumer =
          new KafkaShareConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
        consumer.subscribe(List.of(TOPIC));
        long until = System.currentTimeMillis() + 15_000;
        while (again.size() < 10 && System.currentTimeMillis() < until) {
          for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) again.add(record.offset());
        }
        consumer.commitSync();
      }
      check(again.size() == 10 && again.get(0) == 490, "read again: " + again);
      admin.deleteShareGroupOffsets(GROUP, Set.of(TOPIC)).all().get();
      admin.deleteShareGroups(List.of(GROUP)).all().get();
      check(admin.listGroups(ListGroupsOptions.forShareGroups()).all().get().isEmpty(), "the group is still there");
    }
    System.out.println("accepted " + done() + ", renewed " + renewed.size() + ", all as it should be");
  }

  public static void main(String[] args) throws Exception {
    try {
      new ShareProbe(args[0]).run();
      System.exit(0);
    } catch (Throwable failure) {
      failure.printStackTrace();
      System.exit(1);
    }
  }
}
