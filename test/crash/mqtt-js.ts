/** The same ledger kept by MQTT.js, with its own session stores and its own way to reconnect and to repeat. */
import { connect as connectSocket } from 'node:net';
import { type IClientOptions, MqttClient } from 'mqtt';
import type { BrokerProcess } from './broker-process.ts';
import {
  type Ledger,
  payloadOf,
  recordAcknowledgement,
  recordDelivery,
  recordSending,
  recordViolation,
  type Subscriber,
} from './ledger.ts';
import type { CrashPublisher } from './publisher.ts';

/** Of a message that it took and did not send, because the connection ended while it repeated older ones. */
const GIVEN_UP = 'Connection closed';
const WINDOW = 20;
const RECONNECT_MS = 10;
const FOREVER_SECONDS = 0xffffffff;
/** Nobody listens there: connections are refused while there is no broker. */
const NOWHERE = { host: '127.0.0.1', port: 1 };

function durable(broker: BrokerProcess, version: 4 | 5, clientId: string): MqttClient {
  const options: IClientOptions = {
    clientId,
    protocolVersion: version,
    clean: false,
    keepalive: 0,
    reconnectPeriod: RECONNECT_MS,
    resubscribe: false,
    ...(version === 5 && { properties: { sessionExpiryInterval: FOREVER_SECONDS, receiveMaximum: 30 } }),
  };
  const client = new MqttClient(() => connectSocket(broker.address() ?? NOWHERE), options);
  client.on('error', () => {});
  return client;
}

export interface MqttJsSubscriber {
  readonly subscribed: Promise<void>;
  end(): Promise<void>;
}

export function startMqttJsSubscriber(
  ledger: Ledger,
  broker: BrokerProcess,
  options: { name: string; version: 4 | 5; filter: string; takes(topic: string): boolean },
): MqttJsSubscriber {
  const { name, version, filter, takes } = options;
  const record: Subscriber = { name, group: undefined, takes, seen: [] };
  ledger.subscribers.push(record);
  const client = durable(broker, version, name);
  let isSubscribed = false;
  client.on('connect', ({ sessionPresent }) => {
    if (isSubscribed && !sessionPresent) recordViolation(ledger, 'session lost', name);
  });
  client.on('message', (topic, payload, packet) => {
    recordDelivery(ledger, record, topic, payload.toString('latin1'), packet.dup);
  });
  const subscribed = client.subscribeAsync(filter, { qos: 2 }).then(() => {
    isSubscribed = true;
  });
  return { subscribed, end: () => client.endAsync(true) };
}

export function startMqttJsPublisher(
  ledger: Ledger,
  broker: BrokerProcess,
  options: { name: string; version: 4 | 5; topic: string; qos: 1 | 2 },
): CrashPublisher {
  const { name, version, topic, qos } = options;
  const client = durable(broker, version, name);
  let owed = 0;
  let inFlight = 0;
  let number = 0;
  const pump = (): void => {
    while (client.connected && owed > 0 && inFlight < WINDOW) {
      owed--;
      inFlight++;
      number++;
      const payload = payloadOf(name, topic, number);
      recordSending(ledger, { source: name, topic, number, qos });
      // How often it repeats itself it does not say.
      const sent = ledger.sent.get(payload);
      if (sent !== undefined) sent.transmissions = Number.POSITIVE_INFINITY;
      client.publish(topic, payload, { qos }, (error) => {
        inFlight--;
        if (error === undefined || error === null) recordAcknowledgement(ledger, payload);
        else if (error.message !== GIVEN_UP) recordViolation(ledger, 'refused', `${name}: ${String(error)}`);
        // Not at once: this may be one of many that are given up in a loop.
        setImmediate(pump);
      });
    }
  };
  client.on('connect', pump);
  let isEnding = false;
  return {
    name,
    produce(count) {
      owed += count;
      pump();
    },
    isIdle: () => owed === 0 && inFlight === 0,
    cut: () => {
      if (!isEnding) client.stream.destroy();
    },
    async end() {
      isEnding = true;
      owed = 0;
      await client.endAsync(true);
    },
  };
}
