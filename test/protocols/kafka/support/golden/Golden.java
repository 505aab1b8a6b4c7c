import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;

/**
 * Makes the files of golden bytes, out of Apache Kafka's own classes; how, is in samples.ts. Needs on its class path kafka-clients with
 * jackson-databind, and for batches lz4-java, snappy-java and zstd-jni. Only who wants new golden bytes runs it.
 */
public class Golden {
  private static final String PACKAGE = "org.apache.kafka.common.message.";
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    if (args[0].equals("batches")) batches();
    else messages();
  }

  /** Each line `message version hex` that these classes know becomes a golden one; others go on to other classes. */
  private static void messages() throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String golden = line.startsWith("{") ? null : golden(line.split(" "));
      System.out.println(golden == null ? line : golden);
    }
  }

  private static String golden(String[] sample) throws Exception {
    short version = Short.parseShort(sample[1]);
    String hex = sample.length > 2 ? sample[2] : "";
    Class<?> type = Class.forName(PACKAGE + sample[0] + "Data");
    ApiMessage message = (ApiMessage) type.getDeclaredConstructor().newInstance();
    if (version < message.lowestSupportedVersion() || version > message.highestSupportedVersion()) return null;
    ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(hex));
    message.read(new ByteBufferAccessor(bytes), version);
    ObjectSerializationCache cache = new ObjectSerializationCache();
    ByteBuffer again = ByteBuffer.allocate(message.size(cache, version));
    message.write(new ByteBufferAccessor(again), cache, version);
    if (bytes.hasRemaining() || !hex.equals(HexFormat.of().formatHex(again.array()))) {
      throw new IllegalStateException(sample[0] + " " + version);
    }
    Class<?> converter = Class.forName(PACKAGE + sample[0] + "DataJsonConverter");
    JsonNode value = (JsonNode) converter.getMethod("write", type, short.class).invoke(null, message, version);
    withoutRecords(value);
    ObjectNode line = JSON.createObjectNode();
    line.put("message", sample[0]).put("version", version).put("hex", hex).set("value", value);
    return JSON.writeValueAsString(line);
  }

  /** Record batches are not printed. */
  private static void withoutRecords(JsonNode node) {
    if (node instanceof ObjectNode) ((ObjectNode) node).remove("records");
    for (JsonNode child : node) withoutRecords(child);
  }

  private static SimpleRecord[] records() {
    long start = 1_700_000_000_000L;
    List<SimpleRecord> records = new ArrayList<>();
    Header[] headers = {new RecordHeader("h1", "x".getBytes()), new RecordHeader("h2", null)};
    records.add(new SimpleRecord(start, "key".getBytes(), "value".getBytes(), headers));
    records.add(new SimpleRecord(start + 5, null, new byte[0]));
    records.add(new SimpleRecord(start - 10, new byte[0], null));
    for (int i = 0; i < 20; i++) {
      String value = "{\"id\":" + i + ",\"reading\":" + i * 7 + "}";
      records.add(new SimpleRecord(start + i * 1000L, ("sensor-" + i).getBytes(), value.getBytes()));
    }
    return records.toArray(new SimpleRecord[0]);
  }

  private static void print(String name, MemoryRecords batch) {
    byte[] bytes = new byte[batch.sizeInBytes()];
    batch.buffer().get(bytes);
    System.out.println(name + " " + HexFormat.of().formatHex(bytes));
  }

  private static MemoryRecords old(byte magic) {
    SimpleRecord record = new SimpleRecord(5L, "k".getBytes(), "v".getBytes());
    return MemoryRecords.withRecords(magic, 0L, Compression.NONE, TimestampType.CREATE_TIME, record);
  }

  private static MemoryRecords marker(ControlRecordType type) {
    EndTransactionMarker marker = new EndTransactionMarker(type, 9);
    return MemoryRecords.withEndTransactionMarker(0L, 1_700_000_000_000L, -1, 79L, (short) 5, marker);
  }

  private static void batches() {
    byte magic = RecordBatch.MAGIC_VALUE_V2;
    for (CompressionType type : CompressionType.values()) {
      Compression compression = Compression.of(type).build();
      print(type.name, MemoryRecords.withRecords(magic, 0L, compression, TimestampType.CREATE_TIME, records()));
    }
    print("idempotent", MemoryRecords.withIdempotentRecords(Compression.NONE, 77L, (short) 3, 41, records()));
    print("transactional", MemoryRecords.withTransactionalRecords(Compression.NONE, 78L, (short) 4, 0, records()));
    print("commit", marker(ControlRecordType.COMMIT));
    print("abort", marker(ControlRecordType.ABORT));
    print("magic1", old(RecordBatch.MAGIC_VALUE_V1));
    print("magic0", old(RecordBatch.MAGIC_VALUE_V0));
  }
}
