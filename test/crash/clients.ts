/** Who takes part in a run: publishers and subscribers of all kinds, ours and MQTT.js. */
import { createRandom } from '../support/random.ts';
import type { BrokerProcess } from './broker-process.ts';
import { startForgetfulPublisher } from './forgetful-publisher.ts';
import type { Ledger } from './ledger.ts';
import { startMqttJsPublisher, startMqttJsSubscriber } from './mqtt-js.ts';
import { startPolicyClients } from './policy-clients.ts';
import { type CrashPublisher, startPublisher } from './publisher.ts';
import { type CrashSubscriber, startSubscriber } from './subscriber.ts';

export interface Clients {
  readonly subscribed: Promise<unknown>;
  readonly publishers: readonly CrashPublisher[];
  readonly subscribers: readonly CrashSubscriber[];
  /** Stays away for long. */
  readonly lazy: CrashSubscriber;
  end(): Promise<void>;
}

export function startClients(ledger: Ledger, broker: BrokerProcess, seed: number): Clients {
  const own = (topic: string): boolean => topic.startsWith('crash/');
  const single = (name: string, receiveMaximum: number): CrashSubscriber =>
    startSubscriber(ledger, broker, {
      name,
      filter: 'crash/#',
      takes: own,
      receiveMaximum,
      maxAckDelayMs: 15,
      random: createRandom(seed + receiveMaximum),
    });
  const member = (number: number): CrashSubscriber =>
    startSubscriber(ledger, broker, {
      name: `member-${number}`,
      filter: '$share/group/shared/#',
      group: 'group',
      takes: (topic) => topic.startsWith('shared/'),
      receiveMaximum: 10 + number,
      maxAckDelayMs: 10,
      random: createRandom(seed + 100 + number),
    });
  const lazy = single('lazy', 50);
  const narrow = startSubscriber(ledger, broker, {
    name: 'narrow',
    filter: 'crash/1/+',
    takes: (topic) => topic.startsWith('crash/1/'),
    receiveMaximum: 4,
    maxAckDelayMs: 4,
    random: createRandom(seed + 4),
  });
  const policies = startPolicyClients(ledger, broker, seed);
  const subscribers = [
    single('eager', 200),
    narrow,
    lazy,
    member(1),
    member(2),
    member(3),
    ...policies.subscribers,
  ];
  const foreign = ([4, 5] as const).map((version) =>
    startMqttJsSubscriber(ledger, broker, {
      name: `js-sub-${version}`,
      version,
      filter: 'crash/#',
      takes: own,
    }),
  );
  const publishers = [
    startPublisher(ledger, broker, 'pub-1', ['crash/1/one', 'crash/1/qos2']),
    startPublisher(ledger, broker, 'pub-2', ['crash/2/qos2', 'crash/both', 'crash/2/one']),
    startPublisher(ledger, broker, 'pub-3', ['shared/one', 'shared/qos2', 'crash/both']),
    // What comes in one piece is of one topic: the broker takes it as one.
    startPublisher(ledger, broker, 'pub-4', ['crash/4/one']),
    startMqttJsPublisher(ledger, broker, { name: 'js-pub-4', version: 4, topic: 'crash/js/4', qos: 2 }),
    startMqttJsPublisher(ledger, broker, { name: 'js-pub-5', version: 5, topic: 'crash/js/5', qos: 1 }),
    startForgetfulPublisher(ledger, broker, {
      name: 'forgetful',
      topic: 'crash/forgetful',
      random: createRandom(seed + 300),
    }),
    ...policies.publishers,
  ];
  return {
    subscribed: Promise.all([...subscribers, ...foreign].map(({ subscribed }) => subscribed)),
    publishers,
    subscribers,
    lazy,
    async end() {
      await Promise.all([...publishers, ...subscribers, ...foreign].map((client) => client.end()));
    },
  };
}
