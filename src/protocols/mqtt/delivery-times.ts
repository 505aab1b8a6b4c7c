/**
 * How long it takes from a message that comes to its delivery that is written, of a sample: looking at the clock for each
 * message would cost more than many of them do.
 *
 * Honest in what it leaves out: only reads count whose messages went out in the same read, and of what the journal keeps the
 * delivery of that very message is waited for, however long the subscriber's window stays shut. What waits for somebody who is
 * away is not a delivery time.
 */
import { Histogram } from '../../metrics/histogram.ts';
import type { Mqtt } from './context.ts';
import { publishesReceived, publishesSent } from './security/metering.ts';
import type { Session } from './session.ts';

/** Primes: what comes by turns is looked at by turns. */
const READS_PER_SAMPLE = 31;
/** Behind one that turned out to deliver nothing. */
const READS_PER_ATTEMPT = 5;
const PUBLICATIONS_PER_SAMPLE = 31;
/** A subscriber that takes nothing for so long must not keep others from being looked at. */
const LONGEST_MS = 60_000;

interface Kept {
  readonly session: Session;
  readonly seq: number;
  readonly startedMs: number;
}

export class DeliveryTimes {
  /** Carried by the data plane or sent at once. */
  readonly direct = new Histogram();
  /** By way of the journal. */
  readonly durable = new Histogram();
  #readsLeft = 1;
  #publicationsLeft = 1;
  /** When the read began that is looked at; -1 = none is. */
  #readMs = -1;
  #hasSent = false;
  #receivedBefore = 0;
  #sentBefore = 0;
  #kept: Kept | undefined;

  beforeRead(mqtt: Mqtt): void {
    if (--this.#readsLeft > 0 || this.#readMs >= 0) return;
    this.#readsLeft = READS_PER_SAMPLE;
    this.#readMs = mqtt.clock.monotonicMs();
    this.#hasSent = false;
    this.#receivedBefore = publishesReceived(mqtt);
    this.#sentBefore = publishesSent(mqtt);
  }

  afterRead(mqtt: Mqtt): void {
    if (this.#readMs < 0 || this.#hasSent) return;
    const isReceived = publishesReceived(mqtt) > this.#receivedBefore;
    this.#hasSent = isReceived && publishesSent(mqtt) > this.#sentBefore;
    if (this.#hasSent) return;
    this.#readMs = -1;
    this.#readsLeft = READS_PER_ATTEMPT;
  }

  /** `seq` of the session's queue is a message that has just come. */
  keep(mqtt: Mqtt, session: Session, seq: number): void {
    if (--this.#publicationsLeft > 0 || this.#kept !== undefined || session.connection === undefined) return;
    this.#publicationsLeft = PUBLICATIONS_PER_SAMPLE;
    this.#kept = { session, seq, startedMs: mqtt.clock.monotonicMs() };
  }

  /** All output of the turn has been handed to the transports. */
  written(mqtt: Mqtt): void {
    if (this.#readMs >= 0) {
      this.direct.record(mqtt.clock.monotonicMs() - this.#readMs);
      this.#readMs = -1;
    }
    const kept = this.#kept;
    if (kept === undefined) return;
    const { session, seq, startedMs } = kept;
    const { durable, connection, ended } = session;
    const elapsedMs = mqtt.clock.monotonicMs() - startedMs;
    if (durable === undefined || connection === undefined || ended) this.#kept = undefined;
    else if (durable.sentTo > seq || elapsedMs > LONGEST_MS) {
      this.durable.record(elapsedMs);
      this.#kept = undefined;
    }
  }
}
