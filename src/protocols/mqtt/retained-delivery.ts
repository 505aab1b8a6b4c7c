/**
 * Retained messages for a new subscription, after its SUBACK: page by page, only while nothing else waits for the
 * session, so that a subscription to everything neither floods the queue nor holds the loop. Live messages may
 * arrive in between. The job belongs to the session: one that outlives its connection goes on after a resume.
 */
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { deliver, hasBacklog } from './deliver.ts';
import type { RetainedJob } from './retained-job.ts';
import { clientKeyOf, type Session } from './session.ts';
import { grantedQos, identifierBytes, isNoLocal } from './subscription-options.ts';

const PAGE_MESSAGES = 64;

/** The pump sends them when it next comes to this session. */
export function queueRetained(
  session: Session,
  filter: Uint8Array,
  options: number,
  identifier: number,
): void {
  const job: RetainedJob = { filter, options, identifier, cursor: undefined, page: [], isLast: false };
  if (session.retainedJobs.length === 0) session.retainedJobs = [job];
  else session.retainedJobs.push(job);
}

/** The subscription is gone: nothing more is sent for it. */
export function cancelRetained(session: Session, filter: Uint8Array): void {
  if (session.retainedJobs.length === 0) return;
  session.retainedJobs = session.retainedJobs.filter((job) => Buffer.compare(job.filter, filter) !== 0);
}

/**
 * A page at most. Precondition: the session has no backlog. True = there is more that could go out now. It stops at the
 * first message that had to wait, so that retained messages never fill a queue.
 */
export function continueRetained(mqtt: Mqtt, session: Session, connection: Connection): boolean {
  const job = session.retainedJobs[0];
  if (job === undefined) return false;
  if (isHeldUp(mqtt, connection)) return false;
  if (job.page.length === 0 && !job.isLast) fetchPage(mqtt, job);
  const subscriptionIds = identifierBytes(job.identifier);
  while (job.page.length > 0 && hasRoom(mqtt, session)) {
    const message = job.page.pop();
    if (message === undefined) break;
    if (!mqtt.access.receives(session, message.topic)) continue;
    if (isNoLocal(job.options) && message.publisher === clientKeyOf(session)) continue;
    mqtt.counters.retainedSent++;
    const qos = Math.min(message.qos, grantedQos(job.options)) as 0 | 1 | 2;
    deliver(mqtt, session, { message, qos, retain: true, subscriptionIds });
    // What a durable session is owed waits for the journal: a page of it at once.
    if ((session.durable === undefined && hasBacklog(session)) || isHeldUp(mqtt, connection)) break;
  }
  if (job.page.length === 0 && job.isLast) session.retainedJobs.shift();
  if (session.retainedJobs.length === 0 || hasBacklog(session)) return false;
  return hasRoom(mqtt, session) && !isHeldUp(mqtt, connection);
}

/** Half of what may wait for a durable session is left to live messages. */
function hasRoom(mqtt: Mqtt, { durable }: Session): boolean {
  return durable === undefined || durable.queue.length * 2 < mqtt.config.mqtt.queue.maxMessages;
}

/** Half of what may be held is left to live messages. */
function isHeldUp(mqtt: Mqtt, connection: Connection): boolean {
  return mqtt.dataPlane.heldBytes(connection.slot) > mqtt.config.mqtt.maxHeldBytes / 2;
}

function fetchPage(mqtt: Mqtt, job: RetainedJob): void {
  const { messages, cursor } = mqtt.retained.page(job.filter, job.cursor, PAGE_MESSAGES);
  job.cursor = cursor;
  job.isLast = cursor === undefined;
  job.page = messages.reverse();
}
