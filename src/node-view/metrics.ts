/** What the parts of a node count, for src/metrics/. Each source reads numbers that are there anyway. */
import { performance } from 'node:perf_hooks';
import type { HttpTimes } from '../admin/request-times.ts';
import { Histogram } from '../metrics/histogram.ts';
import type { MetricSource } from '../metrics/metrics.ts';
import type { KafkaFrontEnd } from '../protocols/kafka/front-end.ts';
import { reasonName } from '../protocols/mqtt/codec/reason-codes.ts';
import { alarmSource } from './alarms.ts';
import type { NodeParts } from './parts.ts';
import { statusView } from './status.ts';

export interface MetricParts extends NodeParts {
  /** Of the HTTP listeners. */
  readonly times: HttpTimes;
  readonly kafka: KafkaFrontEnd | undefined;
  readonly listeners: () => readonly {
    readonly name: string;
    counters(): { readonly open: number; readonly accepted?: number; readonly failedHandshakes?: number };
  }[];
  readonly admission: {
    counters(): {
      readonly open: number;
      readonly refusedTooMany: number;
      readonly refusedTooFast: number;
      readonly refusedSuspended: number;
    };
  };
}

const QOS = ['0', '1', '2'] as const;

export function metricSources(parts: MetricParts): {
  readonly sources: readonly MetricSource[];
  stop(): void;
} {
  const runtime = runtimeSource();
  return {
    sources: [
      nodeSource(parts),
      alarmSource(parts.alarms),
      listenerSource(parts),
      mqttSource(parts),
      parts.slowClients.source,
      journalSource(parts),
      kafkaSource(parts),
      securitySource(parts),
      httpSource(parts),
      runtime.source,
    ],
    stop: runtime.stop,
  };
}

function nodeSource(parts: NodeParts): MetricSource {
  const { health } = statusView(parts);
  const startedSeconds = Math.round(parts.mqtt.clock.wallMs() / 1000);
  return async (to) => {
    to.add('robustmq_build_info', 1, { version: parts.version, node_version: process.versions.node });
    to.add('robustmq_start_time_seconds', startedSeconds);
    const { status } = await health();
    for (const each of ['green', 'yellow', 'red']) {
      to.add('robustmq_health', each === status ? 1 : 0, { status: each });
    }
  };
}

function listenerSource({ listeners, admission }: MetricParts): MetricSource {
  return (to) => {
    for (const each of listeners()) {
      const { open, accepted, failedHandshakes } = each.counters();
      const labels = { listener: each.name };
      to.add('robustmq_connections', open, labels);
      if (accepted !== undefined) to.add('robustmq_connections_accepted_total', accepted, labels);
      if (failedHandshakes !== undefined)
        to.add('robustmq_handshakes_failed_total', failedHandshakes, labels);
    }
    const { refusedTooMany, refusedTooFast, refusedSuspended } = admission.counters();
    to.add('robustmq_connections_refused_total', refusedTooMany, { reason: 'too_many' });
    to.add('robustmq_connections_refused_total', refusedTooFast, { reason: 'too_fast' });
    to.add('robustmq_connections_refused_total', refusedSuspended, { reason: 'memory' });
  };
}

function mqttSource({ mqtt, delayedCount }: NodeParts): MetricSource {
  const mqttLabel = { protocol: 'mqtt' };
  return (to) => {
    const { counters, dataPlane, sessions, router, retained } = mqtt;
    const plane = dataPlane.counters();
    QOS.forEach((qos, i) => {
      const labels = { protocol: 'mqtt', qos };
      const received = (plane.publishReceived[i] ?? 0) + (counters.publishReceived[i] ?? 0);
      to.add('robustmq_messages_received_total', received, labels);
      to.add(
        'robustmq_messages_sent_total',
        (plane.publishSent[i] ?? 0) + (counters.publishSent[i] ?? 0),
        labels,
      );
    });
    const dropped: Readonly<Record<string, number>> = {
      slow_consumer: counters.droppedSlowConsumer + plane.droppedQueueFull,
      queue_full: counters.droppedQueueFull,
      expired: counters.droppedExpired,
      too_large: counters.droppedTooLarge + plane.droppedTooLarge,
      no_memory: counters.droppedNoMemory + plane.droppedNoMemory,
      offline: counters.droppedOffline,
      unreadable: counters.unreadableMessages,
    };
    for (const [reason, count] of Object.entries(dropped)) {
      to.add('robustmq_messages_dropped_total', count, { protocol: 'mqtt', reason });
    }
    to.add('robustmq_messages_unmatched_total', counters.publishesUnmatched, mqttLabel);
    to.addHistogram('robustmq_publish_to_deliver_seconds', mqtt.deliveryTimes.direct, {
      protocol: 'mqtt',
      durable: 'false',
    });
    to.addHistogram('robustmq_publish_to_deliver_seconds', mqtt.deliveryTimes.durable, {
      protocol: 'mqtt',
      durable: 'true',
    });
    to.add('robustmq_bytes_received_total', plane.bytesReceived + counters.assembledBytes, mqttLabel);
    to.add('robustmq_bytes_sent_total', counters.bytesSent, mqttLabel);
    to.add('robustmq_protocol_errors_total', counters.protocolViolations, mqttLabel);
    to.add('robustmq_mqtt_clients', counters.clientsConnected);
    to.add('robustmq_mqtt_sessions', sessions.count);
    to.add('robustmq_mqtt_sessions_created_total', counters.sessionsCreated);
    to.add('robustmq_mqtt_sessions_resumed_total', counters.sessionsResumed);
    to.add('robustmq_mqtt_sessions_expired_total', counters.sessionsExpired);
    to.add('robustmq_mqtt_takeovers_total', counters.takeovers);
    const totals = router.totals();
    to.add('robustmq_mqtt_subscriptions', totals.subscriptions);
    to.add('robustmq_mqtt_shared_groups', totals.sharedGroups);
    to.add('robustmq_mqtt_retained_messages', retained.count);
    to.add('robustmq_mqtt_retained_bytes', retained.bytes);
    to.add('robustmq_mqtt_delayed_messages', delayedCount());
    to.add('robustmq_mqtt_waiting_messages', mqtt.durable.store.count);
    to.add('robustmq_mqtt_connects_refused_total', counters.connectsRefused);
    to.add('robustmq_mqtt_publishes_denied_total', counters.publishesDenied);
    to.add('robustmq_mqtt_publishes_refused_total', counters.publishesRefused);
    to.add('robustmq_mqtt_dead_letters_total', counters.deadLetters);
    to.add('robustmq_mqtt_duplicates_total', counters.duplicates);
    to.add('robustmq_mqtt_wills_total', counters.willsPublished);
    for (const [code, count] of counters.closedByReason) {
      to.add('robustmq_mqtt_closes_total', count, { reason: reasonName(code) });
    }
    to.add('robustmq_flow_cache_hits_total', plane.flowHits);
    to.add('robustmq_flow_cache_misses_total', plane.flowMisses);
    to.add('robustmq_flow_cache_flows', plane.flows);
    to.add('robustmq_output_blocks', plane.blocksFree, { state: 'free' });
    to.add('robustmq_output_blocks', plane.blocksTotal - plane.blocksFree, { state: 'used' });
  };
}

function journalSource({ tier }: NodeParts): MetricSource {
  return (to) => {
    for (const [storage, journal] of Object.entries(tier.journals)) {
      const { end, segments, pendingBytes, isFull, failure } = journal.state();
      const labels = { storage };
      to.add('robustmq_journal_position_bytes', end, labels);
      to.add(
        'robustmq_journal_stored_bytes',
        journal.segments().reduce((sum, { bytes }) => sum + bytes, 0),
        labels,
      );
      to.add('robustmq_journal_segments', segments, labels);
      to.add('robustmq_journal_pending_bytes', pendingBytes, labels);
      to.add('robustmq_journal_full', isFull ? 1 : 0, labels);
      to.add('robustmq_journal_failed', failure === undefined ? 0 : 1, labels);
    }
    for (const [storage, { os, sync }] of Object.entries(tier.commits)) {
      to.addHistogram('robustmq_journal_commit_seconds', os, { storage, level: 'os' });
      to.addHistogram('robustmq_journal_commit_seconds', sync, { storage, level: 'sync' });
    }
  };
}

function kafkaSource({ kafka }: MetricParts): MetricSource {
  return (to) => {
    if (kafka === undefined) return;
    const { topics, groups } = kafka.context;
    to.add('robustmq_kafka_connections', kafka.state.connections);
    to.add('robustmq_kafka_in_flight_bytes', kafka.state.requestBytes);
    to.add('robustmq_kafka_topics', topics.count);
    let partitions = 0;
    for (const topic of topics.list()) partitions += topic.partitions.length;
    to.add('robustmq_kafka_partitions', partitions);
    to.add('robustmq_kafka_groups', groups.count);
    for (const [outcome, count] of Object.entries(kafka.context.delays.counters)) {
      to.add('robustmq_kafka_delayed_records_total', count, { outcome });
    }
    for (const [api, histogram] of kafka.requestTimes.all()) {
      to.addHistogram('robustmq_kafka_request_seconds', histogram, { api });
    }
  };
}

function securitySource({ security }: NodeParts): MetricSource {
  return (to) => {
    const { letIn, anonymous, refused } = security.authentication.statistics;
    to.add('robustmq_authentications_total', letIn, { result: 'let_in' });
    to.add('robustmq_authentications_total', anonymous, { result: 'anonymous' });
    for (const [refusal, count] of Object.entries(refused)) {
      to.add('robustmq_authentications_total', count, { result: refusal.replaceAll('-', '_') });
    }
    const { written, lost } = security.audit.counters();
    to.add('robustmq_audit_entries_total', written, { result: 'written' });
    to.add('robustmq_audit_entries_total', lost, { result: 'lost' });
    to.add('robustmq_bans', security.guard.bans.count());
    for (const [tenant, counts] of security.guard.tenants.counts()) {
      to.add('robustmq_tenant_connections', counts.connections, { tenant });
      for (const protocol of ['mqtt', 'kafka'] as const) {
        const labels = { tenant, protocol };
        to.add('robustmq_tenant_messages_received_total', counts.messagesReceived[protocol], labels);
        to.add('robustmq_tenant_messages_sent_total', counts.messagesSent[protocol], labels);
      }
      for (const [resource, refused] of Object.entries(counts.refused)) {
        to.add('robustmq_tenant_refused_total', refused, { tenant, resource });
      }
      to.add('robustmq_tenant_denied_total', counts.denied, { tenant });
    }
  };
}

const httpSource =
  ({ times }: MetricParts): MetricSource =>
  (to) => {
    for (const { route, status, histogram } of times.all()) {
      to.addHistogram('robustmq_http_request_seconds', histogram, { route, status });
    }
  };

/** As often as the alarms look, so that it is one waking: many a second are most of what a node costs that has nothing to do. */
const LOOK_MS = 100;

/** Of the process: in real time whatever the clock. */
function runtimeSource(): { readonly source: MetricSource; stop(): void } {
  const delays = new Histogram();
  let lookedMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    delays.record(nowMs - lookedMs - LOOK_MS);
    lookedMs = nowMs;
  }, LOOK_MS).unref();
  let last = performance.eventLoopUtilization();
  return {
    source(to) {
      to.addHistogram('robustmq_event_loop_delay_seconds', delays);
      const now = performance.eventLoopUtilization();
      to.add(
        'robustmq_event_loop_utilization_ratio',
        performance.eventLoopUtilization(now, last).utilization,
      );
      last = now;
      const { user, system } = process.cpuUsage();
      to.add('robustmq_cpu_seconds_total', user / 1e6, { mode: 'user' });
      to.add('robustmq_cpu_seconds_total', system / 1e6, { mode: 'system' });
      const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
      const memory = {
        resident: rss,
        heap_used: heapUsed,
        heap_total: heapTotal,
        external,
        array_buffers: arrayBuffers,
      };
      for (const [kind, bytes] of Object.entries(memory)) to.add('robustmq_memory_bytes', bytes, { kind });
    },
    stop: () => clearInterval(timer),
  };
}
