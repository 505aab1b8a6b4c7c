import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

async function load(...sets: string[]) {
  const loaded = await loadConfig({ sets });
  return loaded.ok
    ? { problems: [], warnings: loaded.warnings }
    : { problems: loaded.problems.map(({ path, reason }) => `${path} ${reason}`), warnings: [] };
}
const problems = async (...sets: string[]): Promise<readonly string[]> => (await load(...sets)).problems;
const warnings = async (...sets: string[]): Promise<readonly string[]> => (await load(...sets)).warnings;
const chain = (...names: string[]): string =>
  `security.authentication.authenticators=${JSON.stringify(names)}`;
const own = (...entries: object[]): string => `security.authentication.listeners=${JSON.stringify(entries)}`;
const everywhere = 'listeners.mqtt.host=0.0.0.0';

describe('authentication, as configured', () => {
  it('is not asked for on loopback', async () => {
    expect(await load()).toEqual({ problems: [], warnings: [] });
  });

  it('must be there for a listener that others can reach, and the refusal has the lines to paste', async () => {
    const [problem = ''] = await problems(everywhere);
    expect(problem).toContain('listeners.mqtt.host');
    expect(problem).toContain('security:\n      authentication:\n        authenticators: [database, scram]');
    expect(problem).toContain('allowInsecure: true');
    expect(await problems(everywhere, chain('database'))).toEqual([]);
    expect(await problems(everywhere, own({ listener: 'mqtt', authenticators: ['database'] }))).toEqual([]);
    expect(await problems(everywhere, own({ listener: 'ws', authenticators: ['database'] }))).toHaveLength(1);
    for (const host of ['::', '192.0.2.1', 'broker.example']) {
      expect(await problems(`listeners.mqtt.host=${host}`)).toHaveLength(1);
    }
    for (const host of ['127.0.0.2', '::1', 'localhost']) {
      expect(await problems(`listeners.mqtt.host=${host}`)).toEqual([]);
    }
  });

  it('is no less asked for where anonymous clients are let in', async () => {
    expect(await problems(everywhere, 'security.authentication.anonymous=allow')).toHaveLength(1);
    expect(await warnings(everywhere, chain('scram'), 'security.authentication.anonymous=allow')).toEqual([
      expect.stringContaining('show nothing'),
    ]);
  });

  it('may be done without on purpose, with a warning', async () => {
    const insecure = 'security.allowInsecure=true';
    expect(await load(everywhere, insecure)).toEqual({
      problems: [],
      warnings: [expect.stringContaining('listeners.mqtt listens on 0.0.0.0 without authentication')],
    });
    expect(await warnings(insecure)).toEqual([expect.stringContaining('take it out')]);
  });

  it('is warned of passwords without TLS', async () => {
    expect(await warnings(everywhere, chain('database'))).toEqual([
      expect.stringContaining('mqtts is for them'),
    ]);
    expect(await warnings(everywhere, chain('scram'))).toEqual([]);
  });

  it('has what its authenticators need', async () => {
    expect(await problems(chain('file'))).toEqual([expect.stringContaining('file.path is needed')]);
    expect(await problems(chain('http'))).toEqual([expect.stringContaining('http.url is needed')]);
    expect(await problems(chain('jwt'))).toEqual([expect.stringContaining('jwks.url is needed')]);
    expect(await problems(chain('database', 'database'))).toEqual([expect.stringContaining('twice')]);
    expect(await problems(own({ listener: 'ws' }, { listener: 'ws' }))).toEqual([
      expect.stringContaining('the listener of another'),
    ]);
    const key = (fields: object): string => `security.authentication.jwt.keys=${JSON.stringify([fields])}`;
    const secret = 'short-secret';
    const [short = ''] = await problems(chain('jwt'), key({ algorithm: 'HS256', secret }));
    expect(short).toContain('at least 32 bytes');
    expect(short).not.toContain(secret);
    expect(await problems(chain('jwt'), key({ algorithm: 'EdDSA' }))).toEqual([
      expect.stringContaining('public key'),
    ]);
    const jwks = (url: string): string => `security.authentication.jwt.jwks.url=${url}`;
    expect(await problems(chain('jwt'), jwks('http://issuer.example/keys'))).toEqual([
      expect.stringContaining('must be https'),
    ]);
    expect(await problems(chain('jwt'), jwks('https://issuer.example/keys'))).toEqual([]);
    expect(await problems(chain('jwt'), jwks('http://127.0.0.1/keys'))).toEqual([]);
    expect(await problems('security.authentication.http.url=https://user:secret@auth.example')).toHaveLength(
      1,
    );
    expect(await problems('security.authentication.http.url=file:///etc/passwd')).toHaveLength(1);
  });
});
