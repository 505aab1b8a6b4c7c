/**
 * One log-in by SCRAM: the client's first message, the server's challenge, the proof, the end. Anything out of order, and
 * anything after the end, is a failure; its reason is for the log alone, the client hears the same whatever was wrong.
 */
import { randomBytes } from 'node:crypto';
import { isSame } from '../same-bytes.ts';
import {
  type ClientFirst,
  readClientFirst,
  type ScramCredential,
  type ScramMechanism,
  serverFinal,
  serverFirst,
} from './scram.ts';

export type ScramStep =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | { readonly kind: 'success'; readonly data: Uint8Array; readonly userName: string }
  | { readonly kind: 'failure'; readonly reason: string; readonly isBusy: boolean };

/** Asked once per message of the client, one after the other. */
export type ScramExchange = (message: Uint8Array) => Promise<ScramStep>;

export interface ScramCredentials {
  /** Of somebody unknown: a decoy. */
  scramCredential(mechanism: ScramMechanism, userName: string): Promise<ScramCredential | 'busy'>;
}

export const TOO_MANY = 'too many log-ins at once';
const MAX_MESSAGE_BYTES = 4096;
const NONCE_BYTES = 24;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const failure = (reason: string): ScramStep => ({ kind: 'failure', reason, isBusy: reason === TOO_MANY });

function textOf(message: Uint8Array): string | undefined {
  if (message.length > MAX_MESSAGE_BYTES) return undefined;
  try {
    return decoder.decode(message);
  } catch {
    return undefined;
  }
}

export function beginScram(mechanism: ScramMechanism, credentials: ScramCredentials): ScramExchange {
  let state: 'first' | 'final' | 'over' = 'first';
  let first: ClientFirst | undefined;
  let credential: ScramCredential | undefined;
  let nonce = '';

  const challenge = async (text: string): Promise<ScramStep> => {
    first = readClientFirst(text);
    if (first === undefined) return failure('not the first message of SCRAM');
    const { authorizationId, user } = first;
    if (authorizationId !== '' && authorizationId !== user) return failure('on behalf of another user');
    const found = await credentials.scramCredential(mechanism, user);
    if (found === 'busy') return failure(TOO_MANY);
    credential = found;
    nonce = first.nonce + randomBytes(NONCE_BYTES).toString('base64');
    state = 'final';
    return { kind: 'challenge', data: Buffer.from(serverFirst(nonce, credential)) };
  };

  return async (message) => {
    const before = state;
    // Whatever happens now, this message is not looked at twice, and none is while it is being looked at.
    state = 'over';
    const text = textOf(message);
    if (text === undefined) return failure('not a message of SCRAM');
    if (before === 'first') return challenge(text);
    if (before === 'over' || first === undefined || credential === undefined) {
      return failure('the exchange is over');
    }
    const final = serverFinal(mechanism, credential, first, nonce, text);
    if (final === undefined) return failure('wrong password or user');
    // Whoever waits with the proof must not get in by a password that is not one any more, or as a user who is disabled.
    const now = await credentials.scramCredential(mechanism, first.user);
    if (now === 'busy') return failure(TOO_MANY);
    if (!isSame(now.storedKey, credential.storedKey)) return failure('the credential has changed meanwhile');
    return { kind: 'success', data: Buffer.from(final), userName: first.user };
  };
}
