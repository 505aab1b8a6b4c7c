/** The figures of a node, and whether it serves. */
import type { NodeView } from '../admin/node-view.ts';
import type { Health } from '../admin/views.ts';
import type { NodeParts } from './parts.ts';

const sum = (numbers: ArrayLike<number>): number =>
  Array.from(numbers).reduce((total, each) => total + each, 0);

export function statusView(parts: NodeParts): Pick<NodeView, 'status'> & { health(): Health } {
  const { config, mqtt, tier, streams } = parts;
  const { journal } = tier.journals;
  const startedAtMs = mqtt.clock.wallMs();

  function health(): Health {
    const red: string[] = [];
    const yellow: string[] = [];
    for (const [storage, each] of Object.entries(tier.journals)) {
      const { failure, isFull } = each.state();
      const name = storage === 'journal' ? 'the journal' : `the journal of storage "${storage}"`;
      if (failure !== undefined) red.push(`${name} has failed: ${failure.message}`);
      else if (isFull) yellow.push(`${name} is full: publishers are refused until there is room again`);
    }
    if (red.length === 0 && mqtt.durable.log.refusal() === 'failed') red.push('the state log has failed');
    if (mqtt.congestion.refusesConnections()) {
      yellow.push('memory is above the watermark: publishers are paused, new connections refused');
    }
    const status = red.length > 0 ? 'red' : yellow.length > 0 ? 'yellow' : 'green';
    return { status, problems: [...red, ...yellow] };
  }

  return {
    health,
    status() {
      const plane = mqtt.dataPlane.counters();
      const { start, end, segments, pendingBytes, failure, isFull } = journal.state();
      return {
        version: parts.version,
        nodeId: parts.nodeId,
        processId: process.pid,
        dataDir: config.dataDir,
        startedAtMs,
        health: health(),
        connections: mqtt.counters.clientsConnected,
        sessions: mqtt.sessions.count,
        subscriptions: mqtt.router.totals().subscriptions,
        waitingMessages: mqtt.durable.store.count,
        retainedMessages: mqtt.retained.count,
        delayedMessages: parts.delayedCount(),
        streams: streams.names().size,
        publishesReceived: sum(plane.publishReceived) + sum(mqtt.counters.publishReceived),
        publishesSent: sum(plane.publishSent) + sum(mqtt.counters.publishSent),
        residentBytes: process.memoryUsage.rss(),
        journal: {
          engine: config.storage.engine,
          durability: config.storage.durability,
          startPosition: start,
          endPosition: end,
          segments,
          storedBytes: journal.segments().reduce((sum, { bytes }) => sum + bytes, 0),
          pendingBytes,
          isFull,
          failure: failure?.message ?? null,
        },
        views: { engine: tier.views ?? null, position: tier.log.viewsPosition() ?? null },
      };
    },
  };
}
