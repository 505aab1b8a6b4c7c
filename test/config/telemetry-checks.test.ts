import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

async function problems(settings: Record<string, string | number | boolean>): Promise<string[]> {
  const sets = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const loaded = await loadConfig({ sets });
  return loaded.ok ? [] : loaded.problems.map(({ path, reason }) => `${path}: ${reason}`);
}

const headers = JSON.stringify([{ name: 'authorization', value: 'planted-token' }]);

describe('telemetry in the configuration', () => {
  it('is possible as it is documented', async () => {
    expect(await problems({})).toEqual([]);
    for (const endpoint of ['http://localhost:4318', 'http://[::1]:4318/otlp', 'https://c.example.org']) {
      const rules = JSON.stringify([{ topic: 'a/#', oneIn: 100 }, { clientId: 'dev-*' }]);
      expect(
        await problems({
          'telemetry.endpoint': endpoint,
          'telemetry.headers': headers,
          'telemetry.traces.rules': rules,
        }),
      ).toEqual([]);
    }
  });

  it('does not send secrets where others can read them, unless that is wanted', async () => {
    const open = { 'telemetry.endpoint': 'http://collector:4318', 'telemetry.headers': headers };
    expect((await problems(open)).join()).toMatch(/^telemetry\.headers: would be readable on the way/);
    expect(await problems({ ...open, 'security.allowInsecure': true })).toEqual([]);
    expect(await problems({ 'telemetry.endpoint': 'http://collector:4318' })).toEqual([]);
  });

  it('is refused where it cannot be meant', async () => {
    for (const endpoint of ['collector:4318', 'ftp://c', 'https://u:p@c', 'https://c?x=1']) {
      expect((await problems({ 'telemetry.endpoint': endpoint })).join()).toContain('telemetry.endpoint');
    }
    expect((await problems({ 'telemetry.traces.rules': '[{"topic":"a"}]' })).join()).toContain(
      'need telemetry.endpoint',
    );
    const endpoint = { 'telemetry.endpoint': 'https://c' };
    for (const name of ['Host', 'content-type', 'a b', 'x:y']) {
      const list = JSON.stringify([{ name, value: 'planted-token' }]);
      const found = (await problems({ ...endpoint, 'telemetry.headers': list })).join();
      expect([name, found]).toEqual([name, expect.stringContaining('telemetry.headers')]);
      expect(found).not.toContain('planted-token');
    }
    expect(
      (await problems({ ...endpoint, 'telemetry.traces.rules': '[{"topic":"a/#/b"}]' })).join(),
    ).toContain('a topic filter');
  });
});
