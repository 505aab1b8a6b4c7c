/**
 * What clients that stay connected must get, said as naively as possible: every subscription that matches gives one
 * delivery. Two brokers that agree with each other must also agree with this.
 */
import { naiveMatch } from '../kernel/topic-model.ts';
import type { Filter } from '../support/wire.ts';

interface Subscription {
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly identifier: number | undefined;
}

export class DeliveryModel {
  readonly #subscriptions = new Map<number, Map<string, Subscription>>();
  /** By client, then by stream as in `ComparedClient.streams`: numbers of messages. */
  readonly expected = new Map<number, Map<string, string[]>>();
  /** Messages that other rules than these decide about: retained ones and those that expire. */
  readonly exempt = new Set<string>();

  subscribe(client: number, filters: readonly Filter[], identifier: number | undefined): void {
    const own = this.#subscriptions.get(client) ?? new Map<string, Subscription>();
    this.#subscriptions.set(client, own);
    for (const { filter, qos = 0, noLocal = false } of filters) {
      own.set(String(filter), { filter: String(filter), qos, noLocal, identifier });
    }
  }

  unsubscribe(client: number, filters: readonly string[]): void {
    for (const filter of filters) this.#subscriptions.get(client)?.delete(filter);
  }

  publish(publisher: number, topic: string, qos: number, name: string): void {
    for (const [client, subscriptions] of this.#subscriptions) {
      const streams = this.expected.get(client) ?? new Map<string, string[]>();
      this.expected.set(client, streams);
      for (const subscription of subscriptions.values()) {
        if (subscription.noLocal && client === publisher) continue;
        if (!naiveMatch(subscription.filter, topic)) continue;
        const granted = Math.min(qos, subscription.qos);
        const [from = ''] = name.split(':');
        const stream = `${from} ${topic} qos ${granted} ids ${subscription.identifier ?? ''}`;
        streams.set(stream, [...(streams.get(stream) ?? []), name]);
      }
    }
  }
}
