/** Mechanisms of SASL: exchanges of tokens that end with a user's name or with a reason, which is for the log alone. */
import { beginScram, TOO_MANY } from '../../../security/scram/exchange.ts';
import type { ScramMechanism } from '../../../security/scram/scram.ts';
import type { Users } from '../../../security/users/users.ts';
import type { TokenVerifier } from './token-verifier.ts';

export type MechanismName = 'PLAIN' | ScramMechanism | 'OAUTHBEARER';

export type Step =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | {
      readonly kind: 'success';
      readonly data: Uint8Array;
      readonly user: string;
      /** Infinity where the mechanism knows no end. */
      readonly expiresAtMs: number;
    }
  | { readonly kind: 'failure'; readonly reason: string };

/** One log-in: asked once per token of the client, one after the other. */
export type Exchange = (token: Uint8Array) => Promise<Step>;

export interface MechanismParts {
  readonly users: Users;
  readonly verifyToken: TokenVerifier | undefined;
  readonly wallMs: () => number;
}

const NOTHING = new Uint8Array(0);
const FOREVER = Number.POSITIVE_INFINITY;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const failure = (reason: string): Step => ({ kind: 'failure', reason });

function textOf(token: Uint8Array): string | undefined {
  try {
    return decoder.decode(token);
  } catch {
    return undefined;
  }
}

const plain =
  ({ users }: MechanismParts): Exchange =>
  async (token) => {
    const parts = textOf(token)?.split('\0') ?? [];
    const [authorizationId = '', user = '', password = ''] = parts;
    if (parts.length !== 3 || user === '' || password === '') return failure('not a user and a password');
    if (authorizationId !== '' && authorizationId !== user) return failure('on behalf of another user');
    const checked = await users.checkPassword(user, Buffer.from(password));
    if (checked === 'busy') return failure(TOO_MANY);
    return checked === 'right'
      ? { kind: 'success', data: NOTHING, user, expiresAtMs: FOREVER }
      : failure('wrong password or user');
  };

function scram(mechanism: ScramMechanism, { users }: MechanismParts): Exchange {
  const exchange = beginScram(mechanism, users);
  return async (token) => {
    const step = await exchange(token);
    if (step.kind !== 'success') return step;
    return { kind: 'success', data: step.data, user: step.userName, expiresAtMs: FOREVER };
  };
}

const SEPARATOR = '\x01';
const GS2_HEADER = /^n,(?:a=([^,]*))?,$/;
const BEARER = 'auth=Bearer ';

interface BearerMessage {
  readonly authorizationId: string;
  readonly jwt: string;
}

/** `n,,` and pairs of name and value, each with a separator behind it, and one more at the end. */
function readBearer(text: string): BearerMessage | undefined {
  const [gs2 = '', ...pairs] = text.split(SEPARATOR);
  const header = GS2_HEADER.exec(gs2);
  const isWhole = pairs.length >= 3 && pairs.at(-1) === '' && pairs.at(-2) === '';
  if (header === null || !isWhole) return undefined;
  const given = pairs.filter((pair) => pair.startsWith('auth='));
  const [auth = ''] = given;
  if (given.length !== 1 || !auth.startsWith(BEARER)) return undefined;
  return { authorizationId: header[1] ?? '', jwt: auth.slice(BEARER.length) };
}

const REFUSED = Buffer.from('{"status":"invalid_token"}');

/** A refusal is told in two steps: why, and, when the client has taken note, the end. */
function bearer({ verifyToken, wallMs }: MechanismParts): Exchange {
  let reason: string | undefined;
  return async (token) => {
    if (reason !== undefined) return failure(reason);
    const message = readBearer(textOf(token) ?? '');
    if (message === undefined) return failure('not a message of OAUTHBEARER');
    const { authorizationId, jwt } = message;
    const verified = (await verifyToken?.(jwt, wallMs())) ?? 'there is nothing to check tokens with';
    if (typeof verified === 'string') {
      reason = verified;
      return { kind: 'challenge', data: REFUSED };
    }
    const { user, expiresAtMs } = verified;
    if (authorizationId !== '' && authorizationId !== user) return failure('on behalf of another user');
    return { kind: 'success', data: NOTHING, user, expiresAtMs };
  };
}

export function beginExchange(mechanism: MechanismName, parts: MechanismParts): Exchange {
  if (mechanism === 'PLAIN') return plain(parts);
  return mechanism === 'OAUTHBEARER' ? bearer(parts) : scram(mechanism, parts);
}
