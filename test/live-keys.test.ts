/** Keys that are said to count while the node runs do: one of each kind of part that reads them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { carryInto, differences } from '../src/config/changes.ts';
import { keys } from '../src/config/describe.ts';
import { loadConfig } from '../src/config/load.ts';
import { createSettings } from '../src/kernel/settings-table.ts';
import { createAdmission } from '../src/net/admission.ts';
import { broughtToLife } from '../src/protocols/kafka/admin/live-config.ts';
import { startTestNode, type TestNode } from './e2e/support.ts';
import { createCertificate } from './support/certificates.ts';
import { createManualClock } from './support/manual-clock.ts';

type Settings = Record<string, string | number | boolean>;

async function load(settings: Settings) {
  const loaded = await loadConfig({
    sets: Object.entries(settings).map(([key, value]) => `${key}=${value}`),
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded;
}

let folder: string;
let started: TestNode | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-live-'));
});
afterEach(async () => {
  await started?.stop();
  started = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function nodeWith(own: Settings) {
  const base: Settings = {
    dataDir: folder,
    'storage.engine': 'memory',
    'listeners.mqtt.port': 0,
    'listeners.ws.enabled': false,
    'listeners.kafka.enabled': false,
    'listeners.http.enabled': false,
    'sys.interval': 0,
    ...own,
  };
  let settings = base;
  const { origins } = await load(base);
  const node = await startTestNode(base, { configSource: { origins, read: () => load(settings) } });
  started = node;
  return {
    ...node,
    async reload(next: Settings) {
      settings = { ...base, ...next };
      const { changes } = await node.node.reload();
      expect(changes.filter(({ effect }) => effect === 'restart')).toEqual([]);
    },
  };
}

describe('keys that count while the node runs', () => {
  it('bound the queues of sessions, and say where what they drop goes', async () => {
    const node = await nodeWith({});
    const away = await node.connect({ clientId: 'away', clean: false, properties: [[17, 3600]] });
    await away.subscribe([{ filter: 'jobs', qos: 1 }]);
    await away.disconnect();
    await node.reload({ 'mqtt.queue.maxMessages': 1, 'deadLetter.topic': 'dead/{topic}' });
    const watcher = await node.connect({ clientId: 'watcher' });
    await watcher.subscribe([{ filter: 'dead/#', qos: 0 }]);
    await watcher.publish({ topic: 'jobs', payload: 'one', qos: 1 });
    await watcher.publish({ topic: 'jobs', payload: 'two', qos: 1 });
    expect(String((await watcher.expect('publish')).payload)).toBe('one');
  });

  it('say from where on something is wrong', async () => {
    const node = await nodeWith({ 'limits.maxConnections': 4, 'sys.interval': 600_000 });
    const watcher = await node.connect({ clientId: 'one' });
    await watcher.subscribe([{ filter: '$SYS/broker/alarms/connections', qos: 0 }]);
    await node.connect({ clientId: 'two' });
    await node.clock.advance(30_000);
    await node.reload({ 'alarms.connectionsPercent': 50 });
    await node.clock.advance(2000);
    expect(String((await watcher.expect('publish')).payload)).toMatch(/2 of 4 connections are in use/);
    await node.reload({ 'alarms.connectionsPercent': 'off' });
    await node.clock.advance(30_000);
    expect(String((await watcher.expect('publish')).payload)).toBe('');
  });

  it('bound retained messages', async () => {
    const node = await nodeWith({});
    const client = await node.connect({ clientId: 'a' });
    await client.publish({ topic: 'a', payload: 'x'.repeat(50), qos: 1, retain: true });
    const before = node.node.retained.count;
    await node.reload({ 'mqtt.retained.maxPayloadSize': 10 });
    await client.publish({ topic: 'b', payload: 'x'.repeat(50), qos: 1, retain: true });
    expect(node.node.retained.count).toBe(before);
    await client.publish({ topic: 'b', payload: 'x', qos: 1, retain: true });
    expect(node.node.retained.count).toBe(before + 1);
  });

  it('bring other certificates, from other files, to new connections', async () => {
    const files = (name: string): Settings => {
      const { certPem, keyPem } = createCertificate({ commonName: name, names: ['localhost'] });
      const [certFile, keyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
      writeFileSync(certFile, certPem);
      writeFileSync(keyFile, keyPem);
      return { 'listeners.mqtts.tls.certFile': certFile, 'listeners.mqtts.tls.keyFile': keyFile };
    };
    const node = await nodeWith({ 'listeners.mqtts.port': 0, ...files('before') });
    const address = node.node.listeners.find(({ name }) => name === 'mqtts')?.address;
    if (address === undefined || !('port' in address)) throw new Error('no listener');
    const shown = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const socket = connect({ ...address, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        }).on('error', reject);
      });
    expect(await shown()).toBe('before');
    await node.reload(files('after'));
    expect(await shown()).toBe('after');
    const broken = files('broken');
    writeFileSync(join(folder, 'broken.pem'), 'nothing');
    await expect(node.reload(broken)).rejects.toThrow(/mqtts/);
    expect(await shown()).toBe('after');
  });

  it('limit how fast connections come', async () => {
    const limits = { maxConnections: 100, maxConnectionsPerSecond: 0 };
    const clock = createManualClock();
    const admission = createAdmission(limits, clock);
    for (let i = 0; i < 10; i++) expect(admission.enter()).toBe(true);
    limits.maxConnectionsPerSecond = 1;
    await clock.advance(1000);
    expect([admission.enter(), admission.enter()]).toEqual([true, false]);
  });

  it('reach Kafka where no client has set something else', async () => {
    const { config } = await load({});
    const settings = createSettings(1, 'test');
    const live = broughtToLife(config, settings);
    const { config: next } = await load({ 'kafka.numPartitions': 7, 'kafka.maxFetchSize': '2MiB' });
    carryInto(config, differences(config, next), 'to');
    expect([live.kafka.numPartitions, live.kafka.maxFetchBytes]).toEqual([7, 2 * 1024 * 1024]);
  });

  it('are said in the schema, and no key of what is fixed at start is among them', () => {
    const effects = new Map(keys().map(({ path, effect }) => [path, effect]));
    for (const fixed of [
      'dataDir',
      'storage.engine',
      'listeners.mqtt.port',
      'dataplane.memorySize',
      'streams',
    ]) {
      expect([fixed, effects.get(fixed)]).toEqual([fixed, 'restart']);
    }
  });
});
