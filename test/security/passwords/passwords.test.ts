import { scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Argon2 } from '../../../src/security/passwords/derive.ts';
import { createGate } from '../../../src/security/passwords/gate.ts';
import { parsePasswordHash } from '../../../src/security/passwords/password-hash.ts';
import { createPasswords } from '../../../src/security/passwords/passwords.ts';
import { passwordFault } from '../../../src/security/passwords/policy.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { bytes, cheap } from '../support.ts';

/** Stands for argon2 where Node has none, and counts; `hold` keeps hashes from ending. */
function countingArgon2() {
  const waiting: (() => void)[] = [];
  const state = {
    calls: 0,
    isHeld: false,
    running: 0,
    most: 0,
    release(): void {
      for (const go of waiting.splice(0)) go();
    },
    argon2: ((_algorithm, { message, nonce, tagLength, memory, passes }, done) => {
      state.calls++;
      state.running++;
      state.most = Math.max(state.most, state.running);
      const go = (): void => {
        state.running--;
        const salt = Buffer.concat([nonce, Buffer.from(`${memory} ${passes}`)]);
        done(null, scryptSync(message, salt, tagLength, { N: 2 }));
      };
      if (state.isHeld) waiting.push(go);
      else setImmediate(go);
    }) as Argon2,
  };
  return state;
}

function setUp(settings = { ...cheap, algorithm: 'auto' as const }) {
  const clock = createManualClock();
  const counter = countingArgon2();
  return { clock, counter, passwords: createPasswords({ settings, clock, argon2: counter.argon2 }) };
}

const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

async function hashed(passwords: ReturnType<typeof createPasswords>, text: string) {
  const hash = await passwords.hash(bytes(text));
  if (hash === 'busy') throw new Error('busy');
  return hash;
}

describe('passwords', () => {
  it('are hashed by argon2id where Node has it and by scrypt otherwise, and both are checked', async () => {
    const { passwords } = setUp();
    const hash = await hashed(passwords, 'correct horse');
    expect(hash).toMatchObject({ algorithm: 'argon2id', parameters: { m: 8192, t: 1, p: 1 } });
    expect(await passwords.check(hash, bytes('correct horse'))).toBe('right');
    expect(await passwords.check(hash, bytes('correct horsf'))).toBe('wrong');
    const old = createPasswords({
      settings: { ...cheap, algorithm: 'auto' },
      clock: createManualClock(),
      argon2: null,
    });
    const byScrypt = await hashed(old, 'correct horse');
    expect(byScrypt.algorithm).toBe('scrypt');
    expect(await old.check(byScrypt, bytes('correct horse'))).toBe('right');
    expect(await old.check(byScrypt, bytes(''))).toBe('wrong');
    expect(await old.check(hash, bytes('correct horse'))).toBe('unsupported');
    expect(await passwords.check(byScrypt, bytes('correct horse'))).toBe('right');
    expect(passwords.isOutdated(byScrypt)).toBe(true);
    expect(old.isOutdated(hash)).toBe(false);
    expect(() =>
      createPasswords({
        settings: { ...cheap, algorithm: 'argon2id' },
        clock: createManualClock(),
        argon2: null,
      }),
    ).toThrow('24.7');
  });

  it('know Mosquitto: the hash of mosquitto_passwd for "secret"', async () => {
    const { passwords } = setUp();
    const { pbkdf2Sync, createHash } = await import('node:crypto');
    const salt = Buffer.from('0123456789ab');
    const seven = parsePasswordHash(
      `$7$101$${salt.toString('base64')}$${pbkdf2Sync('secret', salt, 101, 64, 'sha512').toString('base64')}`,
    );
    const six = parsePasswordHash(
      `$6$${salt.toString('base64')}$${createHash('sha512').update('secret').update(salt).digest('base64')}`,
    );
    for (const hash of [seven, six]) {
      if (hash === undefined) throw new Error('not read');
      expect(await passwords.check(hash, bytes('secret'))).toBe('right');
      expect(await passwords.check(hash, bytes('Secret'))).toBe('wrong');
      expect(passwords.isOutdated(hash)).toBe(true);
    }
  });

  it('ops 29: asking about nobody is the same work as a wrong password of somebody', async () => {
    const { passwords, counter } = setUp();
    const hash = await hashed(passwords, 'correct horse');
    for (const against of [hash, undefined]) {
      for (const wrong of ['a', 'correct', 'x'.repeat(500)]) {
        const before = counter.calls;
        expect(await passwords.check(against, bytes(wrong))).toBe('wrong');
        expect(counter.calls - before).toBe(1);
      }
    }
  });

  it('that were right are known again for a minute, by no other hash, and wrong ones never', async () => {
    const { passwords, counter, clock } = setUp();
    const hash = await hashed(passwords, 'correct horse');
    const other = await hashed(passwords, 'correct horse');
    const work = async (against: typeof hash, text: string): Promise<number> => {
      const before = counter.calls;
      await passwords.check(against, bytes(text));
      return counter.calls - before;
    };
    expect(await work(hash, 'correct horse')).toBe(1);
    expect(await work(hash, 'correct horse')).toBe(0);
    expect(await work(other, 'correct horse')).toBe(1);
    expect(await work(hash, 'wrong')).toBe(1);
    expect(await work(hash, 'wrong')).toBe(1);
    await clock.advance(59_000);
    expect(await work(hash, 'correct horse')).toBe(0);
    await clock.advance(1_000);
    expect(await work(hash, 'correct horse')).toBe(1);
  });

  it('ops 29: are hashed two at a time with 64 waiting, and the next is told that it is busy', async () => {
    const { passwords, counter } = setUp();
    const hash = await hashed(passwords, 'correct horse');
    counter.isHeld = true;
    const checks = Array.from({ length: 100 }, (_, i) => passwords.check(hash, bytes(`guess ${i}`)));
    await turns();
    expect(counter.running).toBe(2);
    counter.isHeld = false;
    counter.release();
    const results = await Promise.all(checks);
    expect(results.filter((result) => result === 'wrong')).toHaveLength(66);
    expect(results.filter((result) => result === 'busy')).toHaveLength(34);
    expect(counter.most).toBe(2);
    expect(await passwords.check(hash, bytes('correct horse'))).toBe('right');
  });

  it('are hashed once for a thousand clients that come back with the same one at once', async () => {
    const { passwords, counter } = setUp();
    const hash = await hashed(passwords, 'correct horse');
    const before = counter.calls;
    const results = await Promise.all(
      Array.from({ length: 1000 }, () => passwords.check(hash, bytes('correct horse'))),
    );
    expect(new Set(results)).toEqual(new Set(['right']));
    expect(counter.calls - before).toBe(1);
  });

  it('are to be hashed anew when the parameters have grown, and not when they have shrunk', async () => {
    const weak = await hashed(setUp().passwords, 'correct horse');
    const memoryBytes = 16 * 1024 * 1024;
    const strong = setUp({ ...cheap, algorithm: 'auto', argon2: { memoryBytes, passes: 1, parallelism: 1 } });
    expect(strong.passwords.isOutdated(weak)).toBe(true);
    expect(setUp().passwords.isOutdated(await hashed(strong.passwords, 'correct horse'))).toBe(false);
  });
});

describe('the gate', () => {
  it('lets the next one in when work fails', async () => {
    const gate = createGate(1, 10);
    const fails = gate.run(() => Promise.reject(new Error('no')));
    const after = gate.run(async () => 'done');
    await expect(fails).rejects.toThrow('no');
    expect(await after).toBe('done');
    expect(gate.waiting).toBe(0);
  });
});

describe('which passwords are taken', () => {
  const fault = (password: string, user = 'alice') => passwordFault(password, user, { minLength: 8 });

  it.each([
    ['', 'at least 8'],
    ['seven77', 'at least 8'],
    ['😀😀😀😀', 'at least 8'],
    ['password', 'tried first'],
    ['PassWord1', 'tried first'],
    ['alice-the-first', undefined],
    ['with\0nul-in-it', 'NUL'],
    ['\ud800 half of a character', 'well-formed'],
    ['x'.repeat(129), 'more than 128'],
    ['x'.repeat(10_000_000), 'more than 128'],
    ['x'.repeat(128), undefined],
    ['😀'.repeat(128), undefined],
    ['        ', undefined],
    ['pässwörd mit ümläuten', undefined],
  ])('%j: %s', (password, expected) => {
    if (expected === undefined) expect(fault(password)).toBeUndefined();
    else expect(fault(password)).toContain(expected);
  });

  it('is not the name of the user', () => {
    expect(fault('Dashboard', 'dashboard')).toContain('the name of the user');
  });
});
