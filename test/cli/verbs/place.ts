/** A real node with something of every kind on it, and what a verb needs to reach it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../../src/node-view/kafka-requests.ts';
import { ZERO_UUID } from '../../../src/protocols/kafka/schema/fields.ts';
import { startViewed, type ViewedNode } from '../../node-view/support.ts';
import { createCertificate } from '../../support/certificates.ts';
import { freePort } from '../../support/free-port.ts';

export interface Place {
  readonly node: ViewedNode;
  /** For files of a test; everything in it goes. */
  readonly folder: string;
  readonly mqttUrl: string;
  readonly httpUrl: string;
  /** Files with API keys: of a user who is a viewer, and one that nobody has made. */
  readonly viewerKey: string;
  readonly strangersKey: string;
  /** Nobody listens there. */
  readonly closedPort: number;
  inFolder(name: string): string;
  close(): Promise<void>;
}

const STREAMS = JSON.stringify([
  { name: 'telemetry', capture: ['sensors/#'], partitions: 2, key: 'topic' },
  { name: 'dead', capture: ['dead/#'], partitions: 1 },
]);
/** A client identifier that is banned, and what `bench` makes of it. */
const OUTLAWS = ['outlaw', 'outlaw-0', 'outlaw-1', 'outlaw-p0', 'outlaw-s0'];
export const PASSWORD = 'a rather good one';

export async function openPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-verbs-'));
  const inFolder = (name: string): string => join(folder, name);
  const { certPem, keyPem } = createCertificate({ commonName: 'broker.example', names: ['127.0.0.1'] });
  writeFileSync(inFolder('cert.pem'), certPem);
  writeFileSync(inFolder('key.pem'), keyPem);
  const node = await startViewed({
    streams: STREAMS,
    'tenants.list': JSON.stringify([{ name: 'acme' }]),
    'deadLetter.topic': 'dead/{client}/{topic}',
    'security.passwords.scryptLogCost': 10,
    'listeners.kafka.enabled': true,
    'listeners.kafka.port': 0,
    'listeners.http.enabled': true,
    'listeners.http.port': 0,
    'listeners.mqtts.enabled': true,
    'listeners.mqtts.port': 0,
    'listeners.mqtts.tls.certFile': inFolder('cert.pem'),
    'listeners.mqtts.tls.keyFile': inFolder('key.pem'),
  });
  const http = node.node.listeners.find(({ name }) => name === 'http')?.address;
  if (http === undefined || !('port' in http)) throw new Error('no http listener');
  await fill(node);
  const { key } = await made(node, '/keys', { owner: 'vera' });
  writeFileSync(inFolder('viewer.key'), String(key));
  writeFileSync(inFolder('strangers.key'), `${String(key).slice(0, -4)}AAAA`);
  writeFileSync(inFolder('password'), `${PASSWORD}\n`);
  return {
    node,
    folder,
    inFolder,
    mqttUrl: `mqtt://${node.mqtt.host}:${node.mqtt.port}`,
    httpUrl: `http://127.0.0.1:${http.port}`,
    viewerKey: inFolder('viewer.key'),
    strangersKey: inFolder('strangers.key'),
    closedPort: await freePort(),
    async close() {
      await node.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the node says of it; a refusal fails the test. */
export async function made(
  node: ViewedNode,
  target: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const answer = await node.post(target, body);
  if (answer.status >= 300) throw new Error(`${target}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

async function fill(node: ViewedNode): Promise<void> {
  const cellar = await node.durable(
    'cellar \u001b[31m/ä, whose name is much longer than a screen has room for',
  );
  await cellar.subscribe([{ filter: 'a/+', qos: 1 }]);
  const away = await node.durable('away');
  await away.subscribe([
    { filter: 'jobs/#', qos: 1 },
    { filter: '$share/workers/jobs/#', qos: 1 },
  ]);
  await away.disconnect();
  await node.connect({ clientId: 'kitchen' });
  for (const topic of ['jobs/1', 'jobs/2', 'sensors/1', 'sensors/2']) {
    await made(node, '/messages', { topic, payload: 'x', qos: 1 });
  }
  await made(node, '/messages', { topic: 'kept/1', payload: 'on', retain: true });
  await made(node, '/topics', { name: 'orders', partitions: 2 });
  await made(node, '/topics/orders/partitions/0/records', {
    records: [{ payload: 'one' }, { payload: 'two' }],
  });
  await made(node, '/users', { name: 'vera', password: PASSWORD, roles: ['viewer'] });
  await made(node, '/roles', { name: 'porter', description: 'Opens doors.', scopes: ['status:read'] });
  for (const value of OUTLAWS) await made(node, '/bans', { kind: 'client', value });
  await commit(node, 'billing');
}

/** A consumer group, by what it has read. */
export async function commit(node: ViewedNode, groupId: string): Promise<void> {
  const kafka = node.node.kafka?.context;
  if (kafka === undefined) throw new Error('no Kafka');
  const partition = {
    partitionIndex: 0,
    committedOffset: 1,
    committedLeaderEpoch: -1,
    commitTimestamp: -1,
    committedMetadata: '',
  };
  await ask(kafka, 'offsetCommit', 9, {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: 'orders', topicId: ZERO_UUID, partitions: [partition] }],
  });
}
