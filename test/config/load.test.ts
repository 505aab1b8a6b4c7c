import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keys, referencePage } from '../../src/config/describe.ts';
import {
  type ConfigInput,
  defaultConfig,
  formatProblem,
  type LoadedConfig,
  loadConfig,
} from '../../src/config/load.ts';
import { environmentName } from '../../src/config/overrides.ts';

const file = (text: string): Pick<ConfigInput, 'file'> => ({ file: { name: 'broker.yaml', text } });

async function load(input: ConfigInput): Promise<LoadedConfig> {
  const loaded = await loadConfig(input);
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded;
}

async function problemsOf(input: ConfigInput): Promise<string[]> {
  const loaded = await loadConfig(input);
  return loaded.ok ? [] : loaded.problems.map(formatProblem);
}

describe('sources', () => {
  it('are not needed', async () => {
    expect((await load({})).config).toEqual(defaultConfig());
    expect((await load(file(''))).config).toEqual(defaultConfig());
    expect((await load(file('# nothing\nmqtt:\n  # maxQos: 1\n'))).config).toEqual(defaultConfig());
  });

  it('win in the order default, file, environment, command line, an option of its own', async () => {
    const all: ConfigInput = {
      ...file('dataDir: from-file\nmqtt:\n  maxQos: 0\n  maxPacketSize: 2MiB\nsys: { interval: 1m }'),
      environment: {
        ROBUSTMQ__MQTT__MAX_QOS: '1',
        ROBUSTMQ__SYS__INTERVAL: '20s',
        PATH: '/bin',
        ROBUSTMQ_WASM: 'x',
      },
      sets: ['mqtt.maxQos=2', 'mqtt.maxQos=1', 'dataDir=from-set'],
      overrides: [{ option: '--data-dir', path: 'dataDir', value: 'from-option' }],
    };
    const { config, origins } = await load(all);
    expect(config.mqtt.maxQos).toBe(1);
    expect(config.mqtt.maxPacketBytes).toBe(2 * 1024 * 1024);
    expect(config.sys.intervalMs).toBe(20_000);
    expect(config.dataDir).toBe('from-option');
    const place = (path: string): string | undefined => origins.get(path)?.place;
    expect(place('mqtt.maxQos')).toBe('--set mqtt.maxQos');
    expect(place('mqtt.maxPacketSize')).toBe('broker.yaml:4:18');
    expect(place('sys.interval')).toBe('ROBUSTMQ__SYS__INTERVAL');
    expect(place('dataDir')).toBe('--data-dir');
    expect(place('mqtt.receiveMaximum')).toBe('default');
  });

  it('know where every value comes from', async () => {
    const { origins } = await load({ sets: ['listeners.unix.path=/tmp/s'] });
    expect([...origins.keys()].sort()).toEqual(
      keys()
        .map(({ path }) => path)
        .sort(),
    );
    expect(origins.get('listeners.unix.enabled')?.kind).toBe('derived');
  });

  it('take any key from the environment, with or without underscores between words', async () => {
    for (const { path, node } of keys()) {
      if (node.kind === 'list' || node.kind === 'choice' || path.endsWith('flowCacheEntries')) continue;
      const { config } = await load({ environment: { [environmentName(path)]: String(node.fallback) } });
      expect(config, path).toEqual(defaultConfig());
    }
    const { config } = await load({ environment: { ROBUSTMQ__MQTT__MAXPACKETSIZE: '2048' } });
    expect(config.mqtt.maxPacketBytes).toBe(2048);
  });

  it('take lists as words or JSON and sections as JSON', async () => {
    const { config } = await load({
      sets: [
        'listeners.ws.allowedOrigins=https://a.example, https://b.example',
        'listeners.mqtt.proxyTrustedNetworks=["10.0.0.0/8","::1"]',
        'mqtt.queue={"maxMessages":5,"maxSize":"1MiB"}',
      ],
    });
    expect(config.listeners.ws.allowedOrigins).toEqual(['https://a.example', 'https://b.example']);
    expect(config.listeners.mqtt.proxyTrustedNetworks).toEqual(['10.0.0.0/8', '::1']);
    expect(config.mqtt.queue).toMatchObject({
      maxMessages: 5,
      maxBytes: 1024 * 1024,
      overflow: 'drop-oldest',
    });
  });

  it('fill the defaults of sections inside the entries of a list', async () => {
    const loaded = await loadConfig({
      sets: ['streams=[{"name":"a","retention":{"age":"7d"}},{"name":"b"}]'],
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const none = { ageSeconds: 0xffffffff, size: 0, count: 0, settled: false };
    expect(loaded.config.streams.map(({ retention }) => retention)).toEqual([
      { ...none, ageSeconds: 7 * 86_400 },
      none,
    ]);
  });

  it('accept words, booleans for on and off, and plain numbers in the base unit', async () => {
    const { config } = await load(
      file(
        'mqtt: { maxSessionExpiry: never, serverKeepAlive: 60 }\nsys: { interval: off }\ndataplane: { flowCache: false }',
      ),
    );
    expect(config.mqtt.maxSessionExpirySeconds).toBe(0xffffffff);
    expect(config.mqtt.serverKeepAliveSeconds).toBe(60);
    expect(config.sys.intervalMs).toBe(0);
    expect(config.dataplane.flowCache).toBe('off');
  });

  it('share values by YAML anchors', async () => {
    const { config } = await load(
      file('listeners:\n  mqtts:\n    tls: &t { certFile: c, keyFile: k }\n  wss:\n    tls: *t\n'),
    );
    expect(config.listeners.wss).toMatchObject({ enabled: true, tls: { certFile: 'c', keyFile: 'k' } });
  });

  it('accept the example of the reference', async () => {
    const example = /```yaml\n(.*?)```/s.exec(referencePage())?.[1] ?? '';
    const { config } = await load(file(example));
    expect(config.listeners.mqtts.enabled).toBe(true);
  });
});

describe('mistakes', () => {
  it('are all listed, each with its place, key and nearest key or what is expected', async () => {
    const problems = await problemsOf({
      ...file(
        'listners: {}\nmqtt:\n  maxPacktSize: 1MiB\n  maxPacketBytes: 5\n  maxQos: 1\n  maxQos: 1\n  overlapping: merged\n',
      ),
      environment: { ROBUSTMQ__MQTT__MAX_QOSS: '1' },
      sets: [
        'mqtt.queue.overflow=oldest',
        'limits.connectTimeout=10 seconds',
        'listeners.mqtt.port=70000',
        'mqtt=4',
        'x',
      ],
    });
    expect(problems).toEqual([
      'broker.yaml:1:1: listners: unknown key, did you mean listeners?',
      'broker.yaml:3:3: mqtt.maxPacktSize: unknown key, did you mean maxPacketSize?',
      'broker.yaml:4:3: mqtt.maxPacketBytes: unknown key, did you mean maxPacketSize?',
      'broker.yaml:6:3: mqtt.maxQos: is given twice',
      'broker.yaml:7:16: mqtt.overlapping: expected one of separate, merge, got "merged"; did you mean merge?',
      'ROBUSTMQ__MQTT__MAX_QOSS: mqtt.MAX_QOSS: unknown key, did you mean maxQos?',
      '--set mqtt.queue.overflow: expected one of drop-oldest, drop-newest, got "oldest"; did you mean drop-oldest?',
      '--set limits.connectTimeout: expected a duration such as 30s or 500ms, got "10 seconds"',
      '--set listeners.mqtt.port: must be from 0 to 65535, got "70000"',
      '--set mqtt: expected a section with keys, got 4',
      '--set: expected key=value, as in mqtt.maxQos=1',
    ]);
  });

  it.each([
    ['mqtt: [1]', 'broker.yaml:1:7: mqtt: expected a section with keys, got a list'],
    ['mqtt: { maxQos: {} }', 'broker.yaml:1:17: mqtt.maxQos: expected one of 0, 1, 2, got a section'],
    ['mqtt: { strictUtf8: 1 }', 'broker.yaml:1:21: mqtt.strictUtf8: expected true or false, got 1'],
    [
      'mqtt: { maxPacketSize: 10M }',
      'broker.yaml:1:24: mqtt.maxPacketSize: expected a size such as 64KB or 10MiB, got "10M"',
    ],
    ['mqtt: { maxInflight: 1.5 }', 'broker.yaml:1:22: mqtt.maxInflight: expected a whole number, got 1.5'],
    [
      'mqtt: { serverKeepAlive: 1500ms }',
      'broker.yaml:1:26: mqtt.serverKeepAlive: expected a duration in whole seconds such as 90s or 2h, got "1500ms"',
    ],
    [
      '__proto__: { maxQos: 1 }',
      'broker.yaml:1:1: __proto__: unknown key; known here: node, dataDir, listeners, logging, dataplane, mqtt, limits, security, authorization, guard, tenants, audit, kafka, schemaRegistry, storage, topics, streams, delay, deadLetter, deduplication, sys, telemetry, alarms',
    ],
    ['just text', 'broker.yaml:1:1: expected a section with keys, got "just text"'],
    ['a: 1\n---\nb: 2', 'broker.yaml:2:1: has more than one document; one is read'],
  ])('in %j are told', async (text, problem) => expect(await problemsOf(file(text))).toEqual([problem]));

  it('of YAML itself are told with their place', async () => {
    const [problem] = await problemsOf(file('mqtt:\n  maxQos: [1\nsys: {}\n'));
    expect(problem).toMatch(/^broker\.yaml:\d+:\d+: /);
  });

  it.each([
    [
      ['dataplane.flowCacheEntries=1000'],
      '--set dataplane.flowCacheEntries: must be a power of two, such as 512 or 1024',
    ],
    [
      ['listeners.mqtts.enabled=true', 'listeners.mqtts.tls.keyFile=k'],
      'listeners.mqtts.tls.certFile: is needed: listeners.mqtts is enabled and has no certificate',
    ],
    [
      ['listeners.mqtts.tls.certFile=c'],
      'listeners.mqtts.tls.keyFile: is needed: listeners.mqtts is enabled and has no private key',
    ],
    [['listeners.unix.enabled=true'], 'listeners.unix.path: is needed: the path of the socket'],
    [['listeners.ws.port=1883'], '--set listeners.ws.port: 1883 is already the port of listeners.mqtt'],
    [
      ['listeners.mqtt.proxyProtocol=true'],
      'listeners.mqtt.proxyTrustedNetworks: is needed with proxyProtocol: the networks whose header is believed',
    ],
    [
      ['mqtt.maxPacketSize=16MiB'],
      'mqtt.maxHeldSize: must be at least mqtt.maxPacketSize: a packet of that size could never be sent',
    ],
  ])('that only show between keys are told: %j', async (sets, problem) => {
    expect(await problemsOf({ sets })).toEqual([problem]);
  });

  it('are not seen where none are: equal ports on different addresses, or 0, or on a listener that is off', async () => {
    await load({ sets: ['listeners.ws.port=1883', 'listeners.ws.host=127.0.0.2'] });
    await load({ sets: ['listeners.ws.port=0', 'listeners.mqtt.port=0'] });
    await load({ sets: ['listeners.ws.port=1883', 'listeners.mqtt.enabled=false'] });
  });
});

describe('warnings', () => {
  it('name an open listener and how to close it', async () => {
    const { warnings } = await load({
      sets: ['listeners.mqtt.host=0.0.0.0', 'security.allowInsecure=true'],
    });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('listeners.mqtt.host=127.0.0.1');
  });

  it('name a TLS listener that is configured and off', async () => {
    expect((await load({ sets: ['listeners.mqtts.port=0'] })).warnings).toHaveLength(1);
    expect(
      (await load({ sets: ['listeners.mqtts.port=0', 'listeners.mqtts.enabled=false'] })).warnings,
    ).toEqual([]);
  });
});

describe('hostile files', () => {
  it('of more than 1 MiB are refused', async () => {
    expect(await problemsOf(file(`# ${'x'.repeat(1024 * 1024)}`))).toEqual([
      'broker.yaml: is larger than 1 MiB',
    ]);
  });

  it('with many aliases are refused', async () => {
    const text = `mqtt: &a {}\nx: [${Array.from({ length: 101 }, () => '*a').join(',')}]`;
    expect(await problemsOf(file(text))).toEqual(['broker.yaml: has more than 100 aliases']);
  });

  it('with aliases that grow, or that contain themselves, are read in time', async () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(',')}]`,
    );
    const bomb = ['l0: &l0 [x,x]', ...levels, 'listeners: { ws: { allowedOrigins: *l9 } }'].join('\n');
    expect((await problemsOf(file(bomb))).length).toBeGreaterThan(0);
    expect((await problemsOf(file('mqtt: &m\n  queue: *m\n'))).length).toBeGreaterThan(0);
  });

  it('nested deeply are refused', async () => {
    expect((await problemsOf(file('['.repeat(100_000)))).length).toBeGreaterThan(0);
  });

  it('of any text never throw', async () => {
    const fragment = fc.constantFrom(
      'mqtt:',
      '  maxQos: ',
      '1',
      '\n',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '!!set ',
      '? ',
      '"',
      '|',
      ': ',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(fragment).map((parts) => parts.join('')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (one) => typeof (await loadConfig(file(one))).ok === 'boolean'),
      { numRuns: 300 },
    );
  });
});
