import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import { createReload } from '../src/reload.ts';
import type { AuditEvent } from '../src/security/audit/entry.ts';
import { startTestNode, type TestNode } from './e2e/support.ts';
import type { RawClient } from './support/raw-client.ts';

type Settings = Record<string, string | number | boolean>;

const QUIET: Settings = {
  dataDir: './unused',
  'storage.engine': 'memory',
  'listeners.mqtt.port': 0,
  'listeners.ws.enabled': false,
  'listeners.kafka.enabled': false,
  'listeners.http.enabled': false,
  'sys.interval': 0,
};

async function load(settings: Settings) {
  const loaded = await loadConfig({
    sets: Object.entries({ ...QUIET, ...settings }).map(([key, value]) => `${key}=${value}`),
  });
  if (!loaded.ok) throw new Error(loaded.problems.map(({ path, reason }) => `${path} ${reason}`).join('; '));
  return loaded;
}

let started: TestNode | undefined;
afterEach(async () => {
  await started?.stop();
  started = undefined;
});

/** A node whose next reading of the configuration finds what `next` says. */
async function nodeWith(first: Settings) {
  let settings = first;
  const { origins } = await load(first);
  const test = await startTestNode(
    { ...QUIET, ...first },
    { configSource: { origins, read: () => load(settings) } },
  );
  started = test;
  return {
    ...test,
    reload(next: Settings) {
      settings = next;
      return test.node.reload();
    },
  };
}

const subscribeOne = async (client: RawClient, filter: string): Promise<number | undefined> =>
  (await client.subscribe([{ filter, qos: 0 }])).reasons[0];

describe('a node that reads its configuration again', () => {
  it('lets a limit count at once, for who is connected, too', async () => {
    const node = await nodeWith({ 'limits.maxSubscriptionsPerSession': 1 });
    const client = await node.connect({ clientId: 'a' });
    expect(await subscribeOne(client, 'a')).toBe(0);
    expect(await subscribeOne(client, 'b')).toBe(0x97);
    const { changes } = await node.reload({ 'limits.maxSubscriptionsPerSession': 2 });
    expect(changes).toEqual([
      { key: 'limits.maxSubscriptionsPerSession', from: '1', to: '2', effect: 'live' },
    ]);
    expect(await subscribeOne(client, 'b')).toBe(0);
  });

  it('lets rules count at once', async () => {
    const node = await nodeWith({});
    const client = await node.connect({ clientId: 'a' });
    expect(await subscribeOne(client, 'secret/a')).toBe(0);
    const rules = [{ effect: 'deny', actions: ['subscribe'], filters: ['secret/#'] }];
    await node.reload({ 'authorization.rules': JSON.stringify(rules) });
    expect(await subscribeOne(client, 'secret/b')).toBe(0x87);
    expect(await subscribeOne(client, 'open/b')).toBe(0);
  });

  it('says what needs a restart, every time, and leaves it as it is', async () => {
    const node = await nodeWith({});
    const wanted = { 'limits.maxSessions': 5, 'limits.maxSubscriptionsPerSession': 1 };
    const first = await node.reload(wanted);
    expect(first.changes.map(({ key, effect }) => [key, effect])).toEqual([
      ['limits.maxSubscriptionsPerSession', 'live'],
      ['limits.maxSessions', 'restart'],
    ]);
    const second = await node.reload(wanted);
    expect(second.changes.map(({ key }) => key)).toEqual(['limits.maxSessions']);
  });

  it('changes nothing when a value is wrong, and falls back to no default', async () => {
    const node = await nodeWith({ 'limits.maxSubscriptionsPerSession': 1 });
    await expect(
      node.reload({ 'limits.maxSubscriptionsPerSession': 3, 'mqtt.maxQos': 7 }),
    ).rejects.toMatchObject({ name: 'ReloadRefused', message: expect.stringContaining('mqtt.maxQos') });
    const client = await node.connect({ clientId: 'a' });
    await subscribeOne(client, 'a');
    expect(await subscribeOne(client, 'b')).toBe(0x97);
  });

  it('refuses what is only right together with keys that need a restart', async () => {
    const node = await nodeWith({});
    await expect(
      node.reload({ 'mqtt.maxPacketSize': '64KiB', 'mqtt.maxHeldSize': '128KiB' }),
    ).rejects.toThrow(/needs a restart as a whole: mqtt.maxHeldSize/);
  });
});

describe('reloading', () => {
  async function parts(listeners: readonly { reload(): Error | undefined }[], faults: string[] = []) {
    const { config, origins } = await load({});
    const notes: AuditEvent[] = [];
    const rules: number[] = [];
    let next: Settings = {};
    const logger = pino({ level: 'info' }, { write: () => {} });
    const reloading = createReload({
      config,
      source: { origins, read: () => load(next) },
      logger,
      security: {
        authentication: { reload: async () => faults },
        authorization: { reload: (given) => void rules.push(given.rules.length) },
        audit: { note: async (event) => notes.push(event) > 0 },
      },
      listeners: () => listeners,
    });
    return {
      config,
      logger,
      notes,
      rules,
      origins: reloading.origins,
      reload(settings: Settings) {
        next = settings;
        return reloading.reload();
      },
    };
  }

  it('changes the level of the log, and notes every change with what it was', async () => {
    const { reload, logger, notes, origins } = await parts([]);
    await reload({ 'logging.level': 'warn' });
    expect(logger.level).toBe('warn');
    expect(origins().get('logging.level')?.place).toBe('--set logging.level');
    expect(notes).toMatchObject([
      {
        operation: 'config.changed',
        input: { key: 'logging.level', from: 'info', to: 'warn', effect: 'live' },
      },
    ]);
  });

  it('takes everything back when a certificate does not load', async () => {
    let isBroken = true;
    const seen: number[] = [];
    const listener = (): { reload(): Error | undefined } => ({
      reload() {
        seen.push(config.limits.maxSubscriptionsPerSession);
        return isBroken ? new Error('listeners.mqtts: no certificate in server.pem') : undefined;
      },
    });
    const list: { reload(): Error | undefined }[] = [];
    const { config, reload, notes } = await parts(list);
    list.push(listener());
    await expect(reload({ 'limits.maxSubscriptionsPerSession': 7 })).rejects.toThrow('server.pem');
    expect(config.limits.maxSubscriptionsPerSession).toBe(10_000);
    expect(seen).toEqual([7, 10_000]);
    expect(notes).toEqual([]);
    isBroken = false;
    await reload({ 'limits.maxSubscriptionsPerSession': 7 });
    expect(config.limits.maxSubscriptionsPerSession).toBe(7);
  });

  it('changes nothing when a file of passwords is wrong', async () => {
    const { config, reload, rules } = await parts([], ['passwords.txt, line 3: no hash']);
    await expect(reload({ 'limits.maxSubscriptionsPerSession': 7 })).rejects.toThrow('passwords.txt, line 3');
    expect(config.limits.maxSubscriptionsPerSession).toBe(10_000);
    expect(rules).toEqual([]);
  });

  it('shows no secret', async () => {
    const { reload, notes } = await parts([]);
    const { changes } = await reload({
      'storage.object.accessKeyId': 'id',
      'storage.object.secretAccessKey': 'planted-secret',
    });
    expect(changes.map(({ key }) => key)).toContain('storage.object.secretAccessKey');
    expect(JSON.stringify([changes, notes])).not.toContain('planted-secret');
  });

  it('runs one after the other', async () => {
    const { config, reload } = await parts([]);
    await Promise.all([
      reload({ 'limits.maxSubscriptionsPerSession': 7 }),
      reload({ 'limits.maxSubscriptionsPerSession': 8 }),
    ]);
    expect(config.limits.maxSubscriptionsPerSession).toBe(8);
  });
});
