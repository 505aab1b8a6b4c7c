import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { jsonSchema, keys, printConfig, referencePage } from '../../src/config/describe.ts';
import { defaultConfig, loadConfig } from '../../src/config/load.ts';
import { schema } from '../../src/config/schema.ts';
import { type SchemaNode, type Static, section, string } from '../../src/config/schema-kit.ts';
import { parseScalar } from '../../src/config/values.ts';

type FromSchema = Static<typeof schema>;
// Both directions: a field, a choice or a type on one side only does not compile.
const toConfig = (value: FromSchema): Config => value;
const fromConfig = (value: Config): FromSchema => value;

describe('schema', () => {
  it('has the type of Config', () => {
    const config = defaultConfig();
    expect(fromConfig(toConfig(config))).toBe(config);
  });

  it('accepts each of its own defaults', () => {
    for (const { path, node } of keys()) {
      if (node.kind === 'list') continue;
      expect(parseScalar(node, node.fallback), path).toEqual({ ok: true, value: node.fallback });
    }
  });

  it('describes every key', () => {
    const visit = (node: SchemaNode, path: string): void => {
      expect(node.description, path).not.toBe('');
      if (node.kind === 'section') {
        for (const [name, child] of Object.entries(node.fields)) visit(child, `${path}.${name}`);
      }
    };
    visit(schema, '');
  });

  it('writes no two fields of a section alike', () => {
    const paths = keys().map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
  });

  it('opens nothing but loopback by default', () => {
    const { unix: _unix, ...listeners } = defaultConfig().listeners;
    for (const { host } of Object.values(listeners)) expect(host).toBe('127.0.0.1');
  });
});

describe('reference', () => {
  it('is up to date in docs/configuration.md (else: npm run build:js && node build/js/cli/main.js config docs > docs/configuration.md)', () => {
    const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page).toBe(referencePage());
  });

  it('prints a section and a single key', () => {
    expect(referencePage('mqtt.queue')).toContain('| `mqtt.queue.overflow` |');
    expect(referencePage('mqtt.maxPacketSize')).toContain('ROBUSTMQ__MQTT__MAX_PACKET_SIZE');
  });

  it('has the keys of the file in the JSON Schema', () => {
    expect(jsonSchema()).toMatchObject({
      properties: {
        mqtt: { additionalProperties: false, properties: { maxPacketSize: { default: '1MiB' } } },
      },
    });
  });
});

describe('printed configuration', () => {
  it('reads back as the same configuration', async () => {
    const first = await loadConfig({
      sets: [
        'node.name=1e3',
        'mqtt.maxPacketSize=1234567',
        'listeners.mqtts.tls.certFile=true',
        'listeners.mqtts.tls.keyFile=it\'s a "key".pem',
        'listeners.mqtts.tls.sni=[{"serverName":"a.example","certFile":"b","keyFile":"c d"}]',
        'listeners.ws.allowedOrigins=https://a.example,https://b.example',
        'mqtt.maxSessionExpiry=90s',
        'streams=[{"name":"a","capture":["b/#"],"retention":{"age":"7d"}},{"name":"c"}]',
      ],
    });
    if (!first.ok) throw new Error(JSON.stringify(first.problems));
    for (const origins of [undefined, first.origins]) {
      const text = printConfig(first.config, origins);
      const second = await loadConfig({ file: { name: 'printed.yaml', text } });
      if (!second.ok) throw new Error(JSON.stringify(second.problems));
      expect(second.config).toEqual(first.config);
    }
  });

  it('never shows a secret', () => {
    const root = section('', {
      password: string('', 'A secret.', { secret: true, accepts: (text) => text !== 'bad' }),
    });
    expect(printConfig({ password: 'hunter2' }, undefined, root)).toBe('password: ********\n');
    expect(JSON.stringify(parseScalar(root.fields.password, 'bad'))).not.toContain('bad');
  });
});
