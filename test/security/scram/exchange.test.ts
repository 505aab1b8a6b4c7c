import { createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginScram } from '../../../src/security/scram/exchange.ts';
import {
  credentialOf,
  decoyCredential,
  type ScramCredential,
  type ScramMechanism,
} from '../../../src/security/scram/scram.ts';
import { bytes } from '../support.ts';
import { scramClient } from './client.ts';

const salt = Buffer.from('0123456789');
const known = credentialOf('SCRAM-SHA-256', salt, 4096, pbkdf2Sync('pencil', salt, 4096, 32, 'sha256'));
const other = credentialOf('SCRAM-SHA-256', Buffer.from('9876543210'), 4096, Buffer.alloc(32, 3));

function credentials(alice: ScramCredential | 'busy' = known) {
  return {
    scramCredential: async (mechanism: ScramMechanism, name: string) => {
      if (name === 'alice') return alice;
      return name === 'bob' ? other : decoyCredential(mechanism, name, Buffer.alloc(32, 1), 4096);
    },
  };
}
const begin = () => beginScram('SCRAM-SHA-256', credentials());
const text = (data: Uint8Array): string => Buffer.from(data).toString();

async function challenge(exchange: ReturnType<typeof begin>, first: string): Promise<string> {
  const step = await exchange(bytes(first));
  if (step.kind !== 'challenge') throw new Error(JSON.stringify(step));
  return text(step.data);
}

describe('ops 30: an exchange of SCRAM', () => {
  it.each(['n,,', 'y,,', 'n,a=alice,'])(
    'lets in who knows the password, and proves that it does, after %s',
    async (header) => {
      const exchange = begin();
      const client = scramClient('alice', 'pencil', 'sha256', header);
      const answer = await challenge(exchange, client.first);
      const step = await exchange(bytes(client.final(answer)));
      expect(step).toMatchObject({ kind: 'success', userName: 'alice' });
      if (step.kind === 'success') expect(text(step.data)).toBe(client.serverFinal());
    },
  );

  it('knows nobody who is unknown, by no password', async () => {
    for (const [user, password] of [
      ['alice', 'pencils'],
      ['eve', 'pencil'],
      ['bob', 'pencil'],
    ] as const) {
      const exchange = begin();
      const client = scramClient(user, password, 'sha256');
      const answer = await challenge(exchange, client.first);
      expect(await exchange(bytes(client.final(answer)))).toMatchObject({ kind: 'failure' });
    }
  });

  it.each([
    ['another nonce', (r: string) => r.replace(/^r=..../, 'r=XXXX')],
    ['a nonce cut short', (r: string) => r.replace(/^(r=[^,]{10})[^,]*/, '$1')],
    ['a nonce with more to it', (r: string) => r.replace(/^(r=[^,]*)/, '$1A')],
    ["the client's nonce alone", (r: string) => r.replace(/^r=[^,]*/, 'r=fyko+d2lbbFgONRv9qkxdawL')],
    [
      "another user's salt",
      (r: string) => r.replace(/s=[^,]*/, `s=${Buffer.from('9876543210').toString('base64')}`),
    ],
    ['one iteration', (r: string) => r.replace(/i=\d+/, 'i=1')],
    ['other iterations', (r: string) => r.replace(/i=\d+/, 'i=4097')],
  ])('refuses a proof over %s', async (_what, change) => {
    const exchange = begin();
    const client = scramClient('alice', 'pencil', 'sha256');
    const answer = await challenge(exchange, client.first);
    expect(await exchange(bytes(client.final(change(answer))))).toMatchObject({ kind: 'failure' });
  });

  it('refuses another channel binding than was announced', async () => {
    for (const [announced, said] of [
      ['n,,', 'y,,'],
      ['y,,', 'n,,'],
      ['n,,', 'p=tls-exporter,,'],
      ['n,,', 'n,a=bob,'],
    ] as const) {
      const exchange = begin();
      const client = scramClient('alice', 'pencil', 'sha256', announced);
      const answer = await challenge(exchange, client.first);
      expect(await exchange(bytes(client.final(answer, '', said)))).toMatchObject({ kind: 'failure' });
    }
  });

  it.each([
    ['a channel binding that is not offered', 'p=tls-exporter,,n=alice,r=x'],
    ['the second message first', 'c=biws,r=x,p=AAAA'],
    ['on behalf of another', 'n,a=bob,n=alice,r=x'],
    ['an extension that must be known', 'n,,m=x,n=alice,r=x'],
    ['a name with a NUL', 'n,,n=al\0ice,r=x'],
    ['an unprintable nonce', 'n,,n=alice,r=x\x7f'],
    ['nothing', ''],
    ['too much', `n,,n=${'a'.repeat(5000)},r=x`],
  ])('refuses %s', async (_what, first) => {
    expect(await begin()(bytes(first))).toMatchObject({ kind: 'failure', isBusy: false });
  });

  it('refuses bytes that are no text', async () => {
    expect(await begin()(Uint8Array.of(0x6e, 0x2c, 0x2c, 0xff))).toMatchObject({ kind: 'failure' });
  });

  it('is over when it has ended, well or badly, and cannot be replayed', async () => {
    const client = scramClient('alice', 'pencil', 'sha256');
    const good = begin();
    const final = client.final(await challenge(good, client.first));
    expect(await good(bytes(final))).toMatchObject({ kind: 'success' });
    expect(await good(bytes(final))).toMatchObject({ kind: 'failure' });
    const replayed = begin();
    await challenge(replayed, client.first);
    expect(await replayed(bytes(final))).toMatchObject({ kind: 'failure' });
    const failed = begin();
    const answer = await challenge(failed, client.first);
    await failed(bytes('nonsense'));
    expect(await failed(bytes(client.final(answer)))).toMatchObject({ kind: 'failure' });
    const twice = begin();
    await challenge(twice, client.first);
    expect(await twice(bytes(client.first))).toMatchObject({ kind: 'failure' });
  });

  it('does not look at a message that comes while another is looked at', async () => {
    const exchange = begin();
    const client = scramClient('alice', 'pencil', 'sha256');
    const [one, two] = await Promise.all([exchange(bytes(client.first)), exchange(bytes(client.first))]);
    expect([one.kind, two.kind]).toEqual(['challenge', 'failure']);
  });

  it('lets nobody in by a credential that was changed while it went on', async () => {
    let current = known;
    const exchange = beginScram('SCRAM-SHA-256', { scramCredential: async () => current });
    const client = scramClient('alice', 'pencil', 'sha256');
    const answer = await challenge(exchange, client.first);
    current = other;
    expect(await exchange(bytes(client.final(answer)))).toMatchObject({ kind: 'failure' });
  });

  it('says when it is busy', async () => {
    const exchange = beginScram('SCRAM-SHA-256', credentials('busy'));
    expect(await exchange(bytes('n,,n=alice,r=x'))).toMatchObject({ kind: 'failure', isBusy: true });
  });

  it('ends at worst with a refusal, whatever it is sent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 4 }), async (messages) => {
        const exchange = begin();
        for (const message of messages) expect((await exchange(message)).kind).toBe('failure');
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 60 }), async (noise) => {
        const exchange = begin();
        await challenge(exchange, 'n,,n=alice,r=x');
        expect((await exchange(bytes(noise))).kind).toBe('failure');
      }),
    );
  });

  it('has a decoy that depends on the name, the mechanism and the secret, and that no proof fits', () => {
    const secret = Buffer.alloc(32, 5);
    const decoy = decoyCredential('SCRAM-SHA-512', 'eve', secret, 4096);
    expect(decoy).toEqual(decoyCredential('SCRAM-SHA-512', 'eve', secret, 4096));
    expect(decoy.storedKey).toHaveLength(64);
    const key = createHmac('sha512', decoy.salt).update('Client Key').digest();
    expect(Buffer.from(decoy.storedKey).equals(key)).toBe(false);
    expect(decoyCredential('SCRAM-SHA-512', 'eva', secret, 4096).salt).not.toEqual(decoy.salt);
  });
});
