import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

async function load(
  ...sets: string[]
): Promise<{ readonly problems: string[]; readonly warnings: readonly string[] }> {
  const loaded = await loadConfig({ sets });
  return loaded.ok
    ? { problems: [], warnings: loaded.warnings }
    : { problems: loaded.problems.map(({ path, reason }) => `${path} ${reason}`), warnings: [] };
}
const problems = async (...sets: string[]): Promise<string[]> => (await load(...sets)).problems;
const warnings = async (...sets: string[]): Promise<readonly string[]> => (await load(...sets)).warnings;
const users = (...all: object[]): string => `kafka.security.users=${JSON.stringify(all)}`;
const keys = (...all: object[]): string => `kafka.security.oauth.keys=${JSON.stringify(all)}`;

describe('the security of Kafka, as configured', () => {
  it('wants something to check tokens with where they are asked for', async () => {
    const mechanisms = 'kafka.security.mechanisms=["OAUTHBEARER"]';
    expect(await problems(mechanisms)).toEqual([expect.stringContaining('needs kafka.security.oauth.keys')]);
    expect(await problems(mechanisms, keys({ algorithm: 'HS256', secret: 's'.repeat(32) }))).toEqual([]);
    expect(await problems(mechanisms, keys({ algorithm: 'HS256', secret: 'short' }))).toEqual([
      expect.stringContaining('at least 32 bytes'),
    ]);
    expect(await problems(keys({ algorithm: 'ES256' }))).toEqual([
      expect.stringContaining('file of a public key'),
    ]);
    expect(await problems(keys({ algorithm: 'none', file: 'f' }))).not.toEqual([]);
  });

  it('wants users with names of their own, and passwords, which it does not repeat', async () => {
    expect(
      await problems(users({ name: 'a', password: 'p1-secret' }, { name: 'b', password: 'p2' })),
    ).toEqual([]);
    const wrong = await problems(
      users({ name: 'a', password: 'p1-secret' }, { name: 'a' }, { password: 'x' }),
    );
    expect(wrong).toHaveLength(3);
    expect(wrong.join()).not.toContain('p1-secret');
    expect(await problems('kafka.security.superUsers=["admin"]')).not.toEqual([]);
  });

  it('is warned of where it is open, or shut for good', async () => {
    const everywhere = ['listeners.kafka.enabled=true', 'listeners.kafka.host=0.0.0.0'];
    expect(await problems(...everywhere)).toEqual([expect.stringContaining('authentication: sasl')]);
    expect(await warnings(...everywhere, 'security.allowInsecure=true')).toEqual([
      expect.stringContaining('without authentication'),
    ]);
    expect(await warnings(...everywhere, 'kafka.security.authentication=sasl')).toEqual([
      expect.stringContaining('without TLS'),
    ]);
    const chain = 'security.authentication.authenticators=["database"]';
    expect(await problems(...everywhere, chain)).toEqual([]);
    expect(await warnings(...everywhere, chain, 'security.authentication.anonymous=allow')).toEqual([
      expect.stringContaining('lets in clients that show nothing'),
      expect.stringContaining('listeners.kafkas is for them'),
    ]);
    const acl = 'kafka.security.authorization=acl';
    expect(await warnings(acl)).toEqual([expect.stringContaining('nobody can set one')]);
    expect(await warnings(acl, 'kafka.security.superUsers=["User:admin"]')).toEqual([]);
  });
});
