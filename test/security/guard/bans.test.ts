import { describe, expect, it } from 'vitest';
import { type Ban, concerns, createBans } from '../../../src/security/guard/bans.ts';
import { SettingKind } from '../../../src/security/setting-kinds.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { openSettings } from '../open-settings.ts';

function make(maxBans = 100) {
  const clock = createManualClock();
  const settings = openSettings();
  return { clock, settings, bans: createBans({ settings, clock, maxBans }) };
}

const client = (value: string, about: Partial<Ban> = {}): Omit<Ban, 'createdAtMs'> => ({
  kind: 'client',
  value,
  tenant: undefined,
  reason: 'because',
  by: 'ann',
  expiresAtMs: undefined,
  ...about,
});
const names = { tenant: '', clientId: 'c', userName: 'u' };

describe('bans', () => {
  it('keep out by client identifier, user, address and network', async () => {
    const { bans } = make();
    await bans.create(client('c1'));
    await bans.create(client('u1', { kind: 'user' }));
    await bans.create(client('10.1.0.0/16', { kind: 'network' }));
    await bans.create(client('192.0.2.7', { kind: 'network' }));
    expect(bans.ofNames({ ...names, clientId: 'c1' })?.reason).toBe('because');
    expect(bans.ofNames({ ...names, userName: 'u1' })?.kind).toBe('user');
    expect(bans.ofNames({ ...names, clientId: 'u1', userName: 'c1' })).toBeUndefined();
    expect(bans.ofNames({ tenant: '', clientId: undefined, userName: undefined })).toBeUndefined();
    expect(bans.ofAddress('10.1.255.1')?.value).toBe('10.1.0.0/16');
    expect(bans.ofAddress('::ffff:10.1.2.3')).toBeDefined();
    expect(bans.ofAddress('192.0.2.7')).toBeDefined();
    expect(bans.ofAddress('192.0.2.8')).toBeUndefined();
    expect(bans.ofAddress('')).toBeUndefined();
  });

  it('hold in one tenant or in all', async () => {
    const { bans } = make();
    await bans.create(client('c1', { tenant: 'acme' }));
    await bans.create(client('c2'));
    expect(bans.ofNames({ ...names, tenant: 'acme', clientId: 'c1' })).toBeDefined();
    expect(bans.ofNames({ ...names, clientId: 'c1' })).toBeUndefined();
    expect(bans.ofNames({ ...names, tenant: 'acme', clientId: 'c2' })).toBeDefined();
  });

  it('end when they expire, also where a wider one goes on, and are swept', async () => {
    const { bans, clock, settings } = make();
    const expiresAtMs = clock.wallMs() + 1000;
    await bans.create(client('10.0.0.0/8', { kind: 'network' }));
    await bans.create(client('10.1.0.0/16', { kind: 'network', expiresAtMs }));
    await bans.create(client('c', { expiresAtMs }));
    expect(bans.ofAddress('10.1.0.1')?.value).toBe('10.1.0.0/16');
    await clock.advance(1000);
    expect(bans.ofAddress('10.1.0.1')?.value).toBe('10.0.0.0/8');
    expect(bans.ofNames(names)).toBeUndefined();
    expect(bans.list({ limit: 10 }).bans).toHaveLength(1);
    await bans.sweep();
    expect([...settings.list(SettingKind.Ban)]).toHaveLength(1);
  });

  it('tell whom they concern when they come into force', async () => {
    const { bans, clock } = make();
    const told: Ban[] = [];
    const stop = bans.onBan((ban) => told.push(ban));
    await bans.create(client('c'));
    await bans.create(client('10.0.0.0/8', { kind: 'network' }));
    await bans.create(client('old', { expiresAtMs: clock.wallMs() - 1 }));
    bans.addTemporary(client('t', { expiresAtMs: clock.wallMs() + 1 }));
    expect(told.map(({ value }) => value)).toEqual(['c', '10.0.0.0/8', 't']);
    const [byClient, byNetwork] = told.map(concerns);
    const peer = { ...names, remoteAddress: '10.9.9.9' };
    expect(byClient?.(peer)).toBe(true);
    expect(byClient?.({ ...peer, clientId: 'd' })).toBe(false);
    expect(byNetwork?.(peer)).toBe(true);
    expect(byNetwork?.({ ...peer, remoteAddress: '11.0.0.1' })).toBe(false);
    stop();
    await bans.create(client('later'));
    expect(told).toHaveLength(3);
  });

  it('are one for each target, however it is written, and can be taken back', async () => {
    const { bans } = make();
    await bans.create(client('10.7.7.7/8', { kind: 'network' }));
    await bans.create(client('10.0.0.0/8', { kind: 'network', reason: 'again' }));
    expect(bans.list({ limit: 10 }).bans.map(({ value, reason }) => [value, reason])).toEqual([
      ['10.0.0.0/8', 'again'],
    ]);
    const target = { kind: 'network', value: '10.1.1.1/8', tenant: undefined } as const;
    expect(await bans.delete(target)).toEqual({ type: 'changed' });
    expect(await bans.delete(target)).toEqual({ type: 'missing' });
    expect(bans.ofAddress('10.1.1.1')).toBeUndefined();
    bans.addTemporary(client('t'));
    expect(await bans.delete(client('t'))).toEqual({ type: 'changed' });
    expect(bans.ofNames({ ...names, clientId: 't' })).toBeUndefined();
  });

  it('are refused when there are too many, or when they make no sense', async () => {
    const { bans } = make(2);
    await bans.create(client('a'));
    await bans.create(client('b'));
    expect(await bans.create(client('c'))).toEqual({ type: 'full' });
    expect(await bans.create(client('b', { reason: 'new' }))).toEqual({ type: 'changed' });
    const wrong = [
      client(''),
      client('a\0b'),
      client('x', { kind: 'network' }),
      client('10.0.0.0/8', { kind: 'network', tenant: 'acme' }),
      client('a'.repeat(2000)),
    ];
    for (const each of wrong) expect((await bans.create(each)).type).toBe('invalid');
  });

  it('hold though what was written of them cannot be read', async () => {
    const { bans, settings } = make();
    await bans.create(client('c', { expiresAtMs: 1 }));
    const [[name] = ['']] = [...settings.list(SettingKind.Ban)];
    expect(bans.ofNames(names)).toBeUndefined();
    for (const value of [
      '{',
      'null',
      '{"version":2}',
      '{"version":1,"reason":"r","by":"b","createdAtMs":1}',
    ]) {
      await settings.change(() => [{ kind: SettingKind.Ban, name, value: Buffer.from(value) }]);
      expect(bans.ofNames(names), value).toBeDefined();
    }
  });

  it('come in pages', async () => {
    const { bans } = make();
    for (const name of ['d', 'b', 'a', 'c']) await bans.create(client(name));
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = bans.list({ after, limit: 3 });
      seen.push(...page.bans.map(({ value }) => value));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });
});
