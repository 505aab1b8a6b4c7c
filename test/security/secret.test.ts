import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/security/secret.ts';

describe('a secret (ops 48)', () => {
  it('is in nothing that prints or serialises it, and only comes out when it is asked for', () => {
    const secret = new Secret('hunter2');
    const shown = [
      `${secret}`,
      String(secret),
      [secret].join(),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [secret] }, { showHidden: true, depth: null }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify(structuredClone({ ...secret })),
      new Error(`no ${secret}`).message,
    ];
    for (const text of shown) expect(text).not.toContain('hunter2');
    expect(JSON.stringify(secret)).toBe('"***"');
    expect(secret.reveal()).toBe('hunter2');
  });
});
