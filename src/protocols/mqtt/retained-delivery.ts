/**
 * Retained messages for a new subscription, after its SUBACK: page by page, only while nothing else waits for the
 * session, so that a subscription to everything neither floods the queue nor holds the loop. Live messages may
 * arrive in between. The job belongs to the session: one that outlives its connection goes on after a resume.
 */
import type { RetainedCursor } from '../../kernel/retained.ts';
import type { Connection } from './connection.ts';
import type { Mqtt } from './context.ts';
import { deliver, hasBacklog } from './deliver.ts';
import { pump } from './pump.ts';
import type { Session } from './session.ts';
import { grantedQos, identifierBytes, isNoLocal } from './subscription-options.ts';

export interface RetainedJob {
  readonly filter: Uint8Array;
  readonly options: number;
  readonly identifier: number;
  cursor: RetainedCursor | undefined;
}

const PAGE_MESSAGES = 64;

export function deliverRetained(
  mqtt: Mqtt,
  session: Session,
  filter: Uint8Array,
  options: number,
  identifier: number,
): void {
  const job: RetainedJob = { filter, options, identifier, cursor: undefined };
  if (session.retainedJobs.length === 0) session.retainedJobs = [job];
  else session.retainedJobs.push(job);
  pump(mqtt, session);
}

/** The subscription is gone: nothing more is sent for it. */
export function cancelRetained(session: Session, filter: Uint8Array): void {
  if (session.retainedJobs.length === 0) return;
  session.retainedJobs = session.retainedJobs.filter((job) => Buffer.compare(job.filter, filter) !== 0);
}

/** One page. Precondition: the session has no backlog. True = another page could go out now. */
export function continueRetained(mqtt: Mqtt, session: Session, connection: Connection): boolean {
  const job = session.retainedJobs[0];
  if (job === undefined) return false;
  // Half of what may be held is left to live messages.
  if (mqtt.dataPlane.heldBytes(connection.slot) > mqtt.config.mqtt.maxHeldBytes / 2) return false;
  const page = mqtt.retained.page(job.filter, job.cursor, PAGE_MESSAGES);
  job.cursor = page.cursor;
  if (page.cursor === undefined) session.retainedJobs.shift();
  const subscriptionIds = identifierBytes(job.identifier);
  for (const message of page.messages) {
    if (isNoLocal(job.options) && message.publisher === session.serial) continue;
    mqtt.counters.retainedSent++;
    deliver(mqtt, session, {
      message,
      qos: Math.min(message.qos, grantedQos(job.options)) as 0 | 1 | 2,
      retain: true,
      subscriptionIds,
    });
  }
  return session.retainedJobs.length > 0 && !hasBacklog(session);
}
