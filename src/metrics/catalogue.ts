/**
 * Every metric there is: its name, which never changes, its type, its labels, and what it says. docs/metrics.md is made of
 * this, and the dashboard and the alerts of docs/grafana/ are checked against it.
 */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const counter = (help: string, ...labels: readonly string[]): MetricDefinition => ({
  type: 'counter',
  labels,
  help,
});
const gauge = (help: string, ...labels: readonly string[]): MetricDefinition => ({
  type: 'gauge',
  labels,
  help,
});

/** Of durations in seconds; the bounds are those of histogram.ts. */
const histogram = (help: string, ...labels: readonly string[]): MetricDefinition => ({
  type: 'histogram',
  labels,
  help,
});

const DEFINITIONS = {
  robustmq_build_info: gauge('Always 1; what runs.', 'version', 'node_version'),
  robustmq_start_time_seconds: gauge('When the process started, seconds since 1970.'),
  robustmq_health: gauge('1 for the status that the node is in.', 'status'),
  robustmq_alarm_active: gauge('1 while the alarm is active.', 'alarm'),

  robustmq_connections: gauge('Connections now.', 'listener'),
  robustmq_connections_accepted_total: counter('Connections accepted.', 'listener'),
  robustmq_connections_refused_total: counter('Connections turned away before a byte was read.', 'reason'),
  robustmq_handshakes_failed_total: counter(
    'Ended in a PROXY header or a TLS or HTTP handshake.',
    'listener',
  ),
  robustmq_protocol_errors_total: counter('Connections closed because of what they sent.', 'protocol'),

  robustmq_messages_received_total: counter('Messages from publishers and producers.', 'protocol', 'qos'),
  robustmq_messages_sent_total: counter('Messages to subscribers.', 'protocol', 'qos'),
  robustmq_messages_dropped_total: counter('Deliveries that were given up.', 'protocol', 'reason'),
  robustmq_messages_unmatched_total: counter('Messages that nobody waited for.', 'protocol'),
  robustmq_publish_to_deliver_seconds: histogram(
    'Of a sample: from the bytes of a message that came to its delivery that was written; `durable`: by way of the journal.',
    'protocol',
    'durable',
  ),
  robustmq_bytes_received_total: counter('Bytes from clients.', 'protocol'),
  robustmq_bytes_sent_total: counter('Bytes to clients.', 'protocol'),

  robustmq_mqtt_clients: gauge('Connected MQTT clients.'),
  robustmq_mqtt_sessions: gauge('Sessions, connected or not.'),
  robustmq_mqtt_sessions_created_total: counter('Sessions made.'),
  robustmq_mqtt_sessions_resumed_total: counter('Sessions taken up again.'),
  robustmq_mqtt_sessions_expired_total: counter('Sessions that expired.'),
  robustmq_mqtt_takeovers_total: counter('Connections whose client connected a second time.'),
  robustmq_mqtt_subscriptions: gauge('Subscriptions.'),
  robustmq_mqtt_shared_groups: gauge('Groups of shared subscriptions.'),
  robustmq_mqtt_retained_messages: gauge('Retained messages.'),
  robustmq_mqtt_retained_bytes: gauge('Bytes of retained messages.'),
  robustmq_mqtt_delayed_messages: gauge('Messages that wait for their time.'),
  robustmq_mqtt_waiting_messages: gauge(
    'Messages that wait or are in flight, each once however many wait for it.',
  ),
  robustmq_mqtt_slowest_client_seconds: gauge(
    'For how long the oldest message has waited that a connected client has not taken; of the one that is most behind.',
  ),
  robustmq_mqtt_clients_behind: gauge(
    'Connected clients that have not taken for longer than this what is there for them.',
    'over',
  ),
  robustmq_mqtt_connects_refused_total: counter('CONNECT packets that were refused.'),
  robustmq_mqtt_publishes_denied_total: counter('Publishes that were not allowed.'),
  robustmq_mqtt_publishes_refused_total: counter('Publishes refused for want of room.'),
  robustmq_mqtt_dead_letters_total: counter('Messages given up to a dead-letter topic.'),
  robustmq_mqtt_duplicates_total: counter('Messages whose identifier was known.'),
  robustmq_mqtt_wills_total: counter('Wills published.'),
  robustmq_mqtt_closes_total: counter('Connections closed by the broker.', 'reason'),

  robustmq_flow_cache_hits_total: counter('Messages carried by the data plane alone.'),
  robustmq_flow_cache_misses_total: counter('Messages that went up to the control plane.'),
  robustmq_flow_cache_flows: gauge('Decisions that the data plane knows.'),
  robustmq_output_blocks: gauge('Blocks of output memory.', 'state'),

  robustmq_journal_position_bytes: gauge('Position behind the last acknowledged entry.', 'storage'),
  robustmq_journal_stored_bytes: gauge('Bytes on the disk.', 'storage'),
  robustmq_journal_segments: gauge('Segments.', 'storage'),
  robustmq_journal_pending_bytes: gauge('Bytes that wait to be written.', 'storage'),
  robustmq_journal_commit_seconds: histogram(
    'Of a group of changes: written (`os`), or written and synced (`sync`).',
    'storage',
    'level',
  ),
  robustmq_journal_full: gauge('1 while publishers are refused for want of space.', 'storage'),
  robustmq_journal_failed: gauge('1 once nothing can be written any more.', 'storage'),

  robustmq_kafka_connections: gauge('Connected Kafka clients.'),
  robustmq_kafka_topics: gauge('Topics.'),
  robustmq_kafka_partitions: gauge('Partitions.'),
  robustmq_kafka_groups: gauge('Consumer and share groups.'),
  robustmq_kafka_in_flight_bytes: gauge('Bytes of requests that arrive or are under way.'),
  robustmq_kafka_delayed_records_total: counter(
    'Records that were delayed, and what became of those that were due.',
    'outcome',
  ),

  robustmq_kafka_request_seconds: histogram(
    'From a request that begins to its answer, with what it waits for: Fetch for records, Produce for the journal.',
    'api',
  ),

  robustmq_http_request_seconds: histogram(
    'From the head of a request to the end of its answer.',
    'route',
    'status',
  ),

  robustmq_authentications_total: counter('Log-ins.', 'result'),
  robustmq_audit_entries_total: counter('Entries of the audit log.', 'result'),
  robustmq_bans: gauge('Bans in force.'),

  robustmq_tenant_connections: gauge('Connections of the tenant now.', 'tenant'),
  robustmq_tenant_messages_received_total: counter(
    'Messages from publishers and producers of the tenant.',
    'tenant',
    'protocol',
  ),
  robustmq_tenant_messages_sent_total: counter(
    'Messages to subscribers and consumers of the tenant.',
    'tenant',
    'protocol',
  ),
  robustmq_tenant_refused_total: counter('What the tenant had no more room for.', 'tenant', 'resource'),
  robustmq_tenant_denied_total: counter(
    'Publishes and subscriptions of the tenant that rules did not allow.',
    'tenant',
  ),

  robustmq_telemetry_items_total: counter(
    'Data points and spans for the collector that telemetry.endpoint names.',
    'signal',
    'result',
  ),
  robustmq_telemetry_traces_limited_total: counter(
    'Messages that were not traced because of telemetry.traces.maxPerSecond.',
  ),

  robustmq_event_loop_delay_seconds: histogram('By how much the event loop was late, ten times a second.'),
  robustmq_event_loop_utilization_ratio: gauge('Part of the time since the last look in which it was busy.'),
  robustmq_cpu_seconds_total: counter('Processor time.', 'mode'),
  robustmq_memory_bytes: gauge('Memory of the process.', 'kind'),
} as const satisfies Readonly<Record<`robustmq_${string}`, MetricDefinition>>;

export type MetricName = keyof typeof DEFINITIONS;

export const CATALOGUE: readonly (MetricDefinition & { readonly name: MetricName })[] = (
  Object.entries(DEFINITIONS) as [MetricName, MetricDefinition][]
).map(([name, definition]) => ({ name, ...definition }));
