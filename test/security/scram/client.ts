/** SCRAM as a client speaks it, by the text of the RFC. */
import { createHmac, pbkdf2Sync } from 'node:crypto';
import { credentialOf } from '../../../src/security/scram/scram.ts';

const NONCE = 'fyko+d2lbbFgONRv9qkxdawL';

export function scramClient(user: string, password: string, digest: 'sha256' | 'sha512', header = 'n,,') {
  const bare = `n=${user},r=${NONCE}`;
  let signed = '';
  let serverKey: Uint8Array = new Uint8Array(0);
  return {
    first: header + bare,
    /** `prefix` comes in front of the nonce; `bound` is said of the channel. */
    final(serverFirst: string, prefix = '', bound = header): string {
      const {
        r = '',
        s = '',
        i = '',
      } = Object.fromEntries(serverFirst.split(',').map((field) => [field[0], field.slice(2)]));
      const length = digest === 'sha256' ? 32 : 64;
      const salt = Buffer.from(s, 'base64');
      const salted = pbkdf2Sync(password, salt, Number(i), length, digest);
      const mechanism = digest === 'sha256' ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512';
      const credential = credentialOf(mechanism, salt, Number(i), salted);
      serverKey = credential.serverKey;
      const clientKey = createHmac(digest, salted).update('Client Key').digest();
      const without = `c=${Buffer.from(bound).toString('base64')},r=${prefix}${r}`;
      signed = `${bare},${serverFirst},${without}`;
      const signature = createHmac(digest, credential.storedKey).update(signed).digest();
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
      return `${without},p=${proof.toString('base64')}`;
    },
    /** What a server that knows the password says in the end. */
    serverFinal: (): string => `v=${createHmac(digest, serverKey).update(signed).digest('base64')}`,
  };
}
