/** Messages as they are published: a subscriber inside the process, by whose rules and at whose pace is the caller's. */
import type { Feed, FeedItem } from '../admin/feed.ts';
import type { SecurityParts } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { TailView } from '../admin/operations/tail.ts';
import { showMessage } from '../admin/show.ts';
import type { Clock } from '../kernel/clock.ts';
import type { PublishPacket } from '../protocols/mqtt/codec/packets.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import type { MqttFrontEnd } from '../protocols/mqtt/front-end.ts';
import type { LocalClient } from '../protocols/mqtt/local-client.ts';
import { parseFilter } from '../protocols/mqtt/topic.ts';
import { propertiesOf, textOf } from './message-properties.ts';
import { principalOf } from './messages.ts';

export interface TailParts {
  readonly mqtt: Pick<Mqtt, 'config' | 'clock'>;
  readonly connectLocal: MqttFrontEnd['connectLocal'];
  readonly security: SecurityParts;
  /** Whether records of a topic of Kafka come by that address. */
  readonly hasKafkaTopic: (address: string) => boolean;
}

/** Of what waits to be shown. */
const MAX_WAITING_BYTES = 256 * 1024;
/** Of one message beside its payload and topic. */
const ITEM_BYTES = 200;
const DROPPED_TOLD_MS = 1000;
const PACE_MS = 100;
const FAILURE = 0x80;
const KEY_OF_RECORD = /^kafka\.key(?:\.base64)?$/;

export function tailView({ mqtt, connectLocal, security, hasKafkaTopic }: TailParts): TailView {
  const { config, clock } = mqtt;

  /** Records have nothing but user properties; messages of a topic without a topic of Kafka are no records. */
  function protocolOf({ topic, properties, retain }: PublishPacket): 'mqtt' | 'kafka' | null {
    const { userProperties = [], ...others } = properties;
    if (userProperties.some(([name]) => KEY_OF_RECORD.test(name))) return 'kafka';
    const isOnlyOfMqtt = retain || Object.values(others).some((value) => value !== undefined);
    return isOnlyOfMqtt || !hasKafkaTopic(textOf(topic)) ? 'mqtt' : null;
  }

  function filterOf(text: string): Uint8Array {
    const filter = Buffer.from(text);
    const parsed = parseFilter(filter, config.mqtt);
    if ('type' in parsed) throw new OperationError(400, 'invalid-input', `${text}: ${parsed.message}`);
    if (parsed.group !== undefined) {
      throw new OperationError(
        400,
        'invalid-input',
        `${text}: a shared subscription would consume; take its filter alone`,
      );
    }
    return filter;
  }

  return {
    async follow({ filters, perSecond, maxPayloadBytes }, { user, tenant, address }) {
      if (tenant !== '') throw new OperationError(403, 'forbidden', 'this is not for users of tenants');
      const wanted = filters.map(filterOf);
      const waiting = createWaiting(clock, perSecond);
      const show = (packet: PublishPacket): FeedItem => {
        const { topic, payload, retain, messageProperties } = packet;
        const message = {
          topic,
          payload,
          properties: messageProperties,
          qos: 0 as const,
          retain,
          expiresAtMs: 0,
          publisher: -1,
        };
        const shown = {
          atMs: clock.wallMs(),
          topic: textOf(topic),
          protocol: protocolOf(packet),
          isRetained: retain,
          payload,
          properties: propertiesOf(message),
        };
        return { data: showMessage(shown, maxPayloadBytes) };
      };
      let client: LocalClient | undefined;
      const codes = await new Promise<readonly number[]>((resolve, reject) => {
        client = connectLocal({
          clock,
          name: 'tail',
          principal: { ...principalOf(security, { user, tenant }), remoteAddress: address },
          filters: wanted,
          takes: waiting.takes,
          onMessage: (packet) => {
            const { topic, payload, messageProperties } = packet;
            const bytes =
              topic.length +
              Math.min(payload.length, maxPayloadBytes) +
              messageProperties.length +
              ITEM_BYTES;
            waiting.add(bytes, () => show(packet));
          },
          onSubscribed: resolve,
          onEnd(reason) {
            reject(new OperationError(503, 'not-now', reason));
            waiting.end(reason);
          },
        });
      }).catch((error: unknown) => {
        waiting.stop();
        client?.close();
        throw error;
      });
      const refused = filters.filter((_, i) => (codes[i] ?? FAILURE) >= FAILURE);
      if (refused.length > 0) {
        waiting.stop();
        client?.close();
        throw new OperationError(403, 'forbidden', `rules do not allow to receive ${refused.join(', ')}`);
      }
      return {
        ...waiting.feed,
        close() {
          waiting.stop();
          client?.close();
        },
      };
    },
  };
}

interface Waiting {
  readonly feed: Omit<Feed, 'close'>;
  /** Whether one more would be shown; counted as left out where not. */
  takes(): boolean;
  add(bytes: number, item: () => FeedItem): void;
  end(reason: string): void;
  stop(): void;
}

function createWaiting(clock: Clock, perSecond: number): Waiting {
  const items: { readonly bytes: number; readonly item: FeedItem }[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  let toldAtMs = clock.monotonicMs();
  let left = perSecond;
  let ready = (): void => {};
  let over: ((reason: string) => void) | undefined;
  let ended: string | undefined;
  // By a timer: to look at the clock for each message costs more than what is left out.
  const stop = clock.every(PACE_MS, () => {
    left = Math.min(perSecond, left + (perSecond * PACE_MS) / 1000);
    // Of a burst that has ended, too.
    if (isToTell()) ready();
  });
  const isToTell = (): boolean => dropped > 0 && clock.monotonicMs() - toldAtMs >= DROPPED_TOLD_MS;

  return {
    takes() {
      if (waitingBytes < MAX_WAITING_BYTES && left >= 1) return true;
      dropped++;
      return false;
    },
    add(bytes, item) {
      left--;
      waitingBytes += bytes;
      items.push({ bytes, item: item() });
      ready();
    },
    end(reason) {
      ended = reason;
      over?.(reason);
    },
    stop,
    feed: {
      start(whenReady, whenOver) {
        ready = whenReady;
        over = whenOver;
        if (ended !== undefined) whenOver(ended);
      },
      take() {
        const first = items.shift();
        if (first !== undefined) waitingBytes -= first.bytes;
        return first?.item;
      },
      takeDropped() {
        if (!isToTell()) return 0;
        const taken = dropped;
        dropped = 0;
        toldAtMs = clock.monotonicMs();
        return taken;
      },
    },
  };
}
