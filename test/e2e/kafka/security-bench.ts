/** Clients of a whole node whose listener of Kafka has authenticators: raw ones, which say exactly what a test wants. */
import { createHmac } from 'node:crypto';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import type { In, Out } from '../../../src/protocols/kafka/schema/message.ts';
import { Secret } from '../../../src/security/secret.ts';
import { type KafkaClient, openKafkaClient } from '../../support/kafka-client.ts';
import { batchOf, produceRequest, recordsIn, ZERO } from './batches.ts';
import { type KafkaNode, type Settings, startKafkaNode } from './node.ts';

export const tokenSecret = 'token-secret-'.padEnd(40, 'k');
export const passwordOf = (user: string): string => `${user}-planted-secret`;

export const chain: Settings = {
  'security.authentication.authenticators': JSON.stringify(['database', 'scram', 'jwt']),
  'security.authentication.anonymous': 'refuse',
  'security.authentication.jwt.keys': JSON.stringify([{ id: '', algorithm: 'HS256', secret: tokenSecret }]),
  'security.authentication.jwt.audience': 'kafka',
  'security.authentication.jwt.clockSkew': 0,
  'security.passwords.scryptLogCost': 10,
  'kafka.security.failureDelay': 0,
};

export interface SecurityBench {
  readonly broker: KafkaNode;
  readonly lines: string[];
  open(clientId?: string): Promise<KafkaClient>;
  user(name: string, more?: object): Promise<void>;
  /** By PLAIN; what the broker answers. */
  logIn(client: KafkaClient, user: string, password?: string): Promise<SaslAnswer>;
  as(user: string, clientId?: string): Promise<KafkaClient>;
  stop(): Promise<void>;
}

export type SaslAnswer = Out<(typeof Apis)['saslAuthenticate']['response']>;

export async function securityBench(settings: Settings = {}): Promise<SecurityBench> {
  const lines: string[] = [];
  const log = { write: (line: string): void => void lines.push(line) };
  const broker = await startKafkaNode({ ...chain, ...settings }, log);
  const clients: KafkaClient[] = [];
  const bench: SecurityBench = {
    broker,
    lines,
    async open(clientId) {
      const client = await openKafkaClient(broker.port, clientId);
      clients.push(client);
      return client;
    },
    async user(name, more = {}) {
      const { users } = broker.node.security;
      const outcome = await users.create({ name, password: new Secret(passwordOf(name)), ...more });
      if (!outcome.isDone) throw new Error(outcome.reason);
    },
    async logIn(client, user, password = passwordOf(user)) {
      await client.call(Apis.saslHandshake, 1, { mechanism: 'PLAIN' });
      return client.call(Apis.saslAuthenticate, 2, { authBytes: Buffer.from(`\0${user}\0${password}`) });
    },
    async as(user, clientId) {
      const client = await bench.open(clientId);
      const { errorCode, errorMessage } = await bench.logIn(client, user);
      if (errorCode !== 0) throw new Error(`${user}: ${errorMessage}`);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await broker.stop();
    },
  };
  return bench;
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function jwt(claims: object, header: object = { alg: 'HS256' }, secret = tokenSecret): string {
  const signed = `${part(header)}.${part({ aud: 'kafka', exp: Date.now() / 1000 + 600, ...claims })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

export const bearer = (token: string): Buffer => Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`);

export async function create(client: KafkaClient, ...names: string[]): Promise<number[]> {
  const topics = names.map((name) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }));
  const answer = await client.call(Apis.createTopics, 7, { topics, timeoutMs: 1000, validateOnly: false });
  return answer.topics.map(({ errorCode }) => errorCode);
}

export async function produce(client: KafkaClient, topic: string, value = 'v'): Promise<number | undefined> {
  const { responses } = await client.call(Apis.produce, 9, produceRequest(topic, batchOf(value)));
  return responses[0]?.partitionResponses[0]?.errorCode;
}

export function fetchRequest(
  topic: string,
  maxWaitMs = 0,
  fetchOffset = 0,
): In<(typeof Apis)['fetch']['request']> {
  return {
    replicaId: -1,
    maxWaitMs,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic,
        topicId: ZERO,
        partitions: [{ partition: 0, currentLeaderEpoch: -1, fetchOffset, partitionMaxBytes: 1_000_000 }],
      },
    ],
    forgottenTopicsData: [],
  };
}

export interface Fetched {
  readonly errorCode: number | undefined;
  readonly values: readonly string[];
}

export function fetched({ responses }: Out<(typeof Apis)['fetch']['response']>): Fetched {
  const found = responses[0]?.partitions[0];
  return {
    errorCode: found?.errorCode,
    values: recordsIn((found?.records as Uint8Array | null) ?? null).map(({ value }) => value),
  };
}

export const read = async (client: KafkaClient, topic: string): Promise<Fetched> =>
  fetched(await client.call(Apis.fetch, 12, fetchRequest(topic)));
