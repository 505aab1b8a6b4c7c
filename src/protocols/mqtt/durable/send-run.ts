/** Deliveries of QoS 1 whose bodies lie together in memory, put out by the data plane in one call. */

import type { Connection } from '../connection.ts';
import type { Mqtt } from '../context.ts';
import { isRetained, qosOf } from './delivery-options.ts';
import { type DurableState, hasLeaving, packetIdOf } from './session-state.ts';

const IDENTIFIERS = 65_535;
const PLACE_BYTES = 8;
/** Of subscription identifiers, as the data plane takes them. */
const IDENTIFIER_BYTES_MAX = 255;

/** From `seq` on, which is not settled, at most `budget`; 0 = it is one that has to be looked at on its own. */
export function sendRun(
  mqtt: Mqtt,
  connection: Connection,
  state: DurableState,
  seq: number,
  budget: number,
): number {
  const { queue } = state;
  // What was sent before is marked as a duplicate; an identifier may still be taken when that many are in between.
  if (seq < state.sentTo || hasLeaving(state) || queue.end - queue.floor > IDENTIFIERS) return 0;
  if (connection.aliasMaximumOut !== 0) return 0;
  const { dataPlane, durable, counters } = mqtt;
  const { store } = durable;
  const first = queue.slotAt(seq);
  const slab = store.slabOf(first);
  const packed = queue.optionsAt(seq);
  const subscriptionIds = durable.options.subscriptionIdsOf(packed);
  if (slab?.bytes === undefined || subscriptionIds.length > IDENTIFIER_BYTES_MAX) return 0;
  if (qosOf(packed) !== 1 || isRetained(packed)) return 0;
  const most = Math.min(budget, connection.sendWindow - dataPlane.inFlight(connection.slot));
  const { storedPlaces: places, maxStoredBytes } = dataPlane;
  const begin = store.startOf(first);
  let end = begin;
  let count = 0;
  for (let slot = first; slot !== -1 && count < most; slot = queue.slotAt(seq + count)) {
    const start = store.startOf(slot);
    const length = store.bytesOf(slot);
    if (store.slabOf(slot) !== slab || start < end || !store.isCommitted(slot)) break;
    if (start + length - begin + (count + 1) * PLACE_BYTES > maxStoredBytes) break;
    if (queue.optionsAt(seq + count) !== packed) break;
    places[2 * count] = start - begin;
    places[2 * count + 1] = length;
    end = start + length;
    count++;
  }
  if (count === 0) return 0;
  const bodies = slab.bytes.subarray(begin, end);
  const sent = dataPlane.putStored(connection.slot, bodies, count, packetIdOf(seq), subscriptionIds);
  if (sent === 0) return 0;
  counters.publishSent[1] += sent;
  const { tenantCounts } = connection;
  if (tenantCounts !== undefined) tenantCounts.messagesSent.mqtt += sent;
  counters.publishBytesSent += dataPlane.result.storedBytes;
  mqtt.turn.wake();
  return sent;
}
