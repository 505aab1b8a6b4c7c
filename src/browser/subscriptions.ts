/**
 * The subscriptions of a client. Deliveries find theirs by subscription identifier, so overlapping filters do not
 * see each other's copies; by matching the filter where the server has no identifiers.
 */
import type { Outbox } from './outbox.ts';
import { encodeSubscribe, encodeUnsubscribe, type Qos } from './packets.ts';
import type { Properties } from './properties.ts';

export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly duplicate: boolean;
  readonly properties: Properties;
}

export interface SubscribeOptions {
  readonly qos?: Qos;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: 0 | 1 | 2;
}

export interface Subscription {
  readonly filter: string;
  readonly grantedQos: Qos;
  unsubscribe(): Promise<void>;
}

interface Entry {
  readonly filter: string;
  readonly onMessage: (message: IncomingMessage) => void;
  readonly options: SubscribeOptions;
}

export interface Subscriptions {
  add(filter: string, onMessage: Entry['onMessage'], options: SubscribeOptions): Promise<Subscription>;
  deliver(message: IncomingMessage): void;
  useIdentifiers(available: boolean): void;
  /** Subscribes again to everything, in a session that has nothing of it. */
  renew(): void;
}

export function createSubscriptions(outbox: Outbox): Subscriptions {
  /** By subscription identifier. Granted ones only: those still asked for wait in the outbox. */
  const granted = new Map<number, Entry>();
  const asked = new Map<number, Entry>();
  const renewing = new Set<number>();
  let identifiersAvailable = true;
  let lastIdentifier = 0;

  function ask(identifier: number, { filter, options }: Entry): Promise<number> {
    return outbox.request(
      (packetId) =>
        encodeSubscribe({
          packetId,
          filter,
          qos: options.qos ?? 0,
          noLocal: options.noLocal ?? false,
          retainAsPublished: options.retainAsPublished ?? true,
          retainHandling: options.retainHandling ?? 0,
          identifier: identifiersAvailable ? identifier : undefined,
        }),
      false,
    );
  }

  function forgetFilter(filter: string): void {
    for (const [identifier, entry] of granted) if (entry.filter === filter) granted.delete(identifier);
  }

  async function add(
    filter: string,
    onMessage: Entry['onMessage'],
    options: SubscribeOptions,
  ): Promise<Subscription> {
    const identifier = ++lastIdentifier;
    const entry = { filter, onMessage, options };
    // Retained messages may come before SUBACK.
    asked.set(identifier, entry);
    let grantedQos: number;
    try {
      grantedQos = await ask(identifier, entry);
    } finally {
      asked.delete(identifier);
    }
    // One subscription per filter and session: the newer one has replaced the older.
    forgetFilter(filter);
    granted.set(identifier, entry);
    return {
      filter,
      grantedQos: grantedQos > 0 ? 1 : 0,
      async unsubscribe() {
        if (!granted.delete(identifier)) return;
        await outbox.request((packetId) => encodeUnsubscribe(packetId, filter), false);
      },
    };
  }

  function deliver(message: IncomingMessage): void {
    const identifiers = message.properties.subscriptionIdentifiers;
    if (identifiers !== undefined) {
      for (const identifier of identifiers)
        (granted.get(identifier) ?? asked.get(identifier))?.onMessage(message);
      return;
    }
    for (const entries of [granted, asked]) {
      for (const entry of entries.values())
        if (matches(entry.filter, message.topic)) entry.onMessage(message);
    }
  }

  function renew(): void {
    for (const [identifier, entry] of granted) {
      // A renewal that an earlier connection did not live to answer still waits in the outbox.
      if (renewing.has(identifier)) continue;
      renewing.add(identifier);
      ask(identifier, entry)
        .catch(() => granted.delete(identifier))
        .finally(() => renewing.delete(identifier));
    }
  }

  return {
    add,
    deliver,
    renew,
    useIdentifiers(available) {
      identifiersAvailable = available;
    },
  };
}

/** Whether a topic matches a filter, by the rules of the specification (`$`-topics, `#` and its parent). */
export function matches(filter: string, topic: string): boolean {
  const shared = /^\$share\/[^/]+\/(.+)$/s.exec(filter);
  const filterLevels = (shared?.[1] ?? filter).split('/');
  const topicLevels = topic.split('/');
  const wild = filterLevels[0] === '+' || filterLevels[0] === '#';
  if (wild && topic.startsWith('$')) return false;
  for (let level = 0; level < filterLevels.length; level++) {
    const wanted = filterLevels[level];
    if (wanted === '#') return true;
    if (level >= topicLevels.length) return false;
    if (wanted !== '+' && wanted !== topicLevels[level]) return false;
  }
  return filterLevels.length === topicLevels.length;
}
