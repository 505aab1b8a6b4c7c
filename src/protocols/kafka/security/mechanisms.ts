/** Mechanisms of SASL: exchanges of tokens that end with a user's name or with a reason, which is for the log alone. */
import type { Principal } from '../../../security/security.ts';
import { type Denied, denied, type LogIns, type Visitor } from './log-ins.ts';
import type { MechanismName } from './offered.ts';

export type Step =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  | { readonly kind: 'success'; readonly data: Uint8Array; readonly principal: Principal }
  | ({ readonly kind: 'failure' } & Denied);

/** One log-in: asked once per token of the client, one after the other. */
export type Exchange = (token: Uint8Array) => Promise<Step>;

const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const failure = (reason: string): Step => ({ kind: 'failure', ...denied(reason) });

function textOf(token: Uint8Array): string | undefined {
  try {
    return decoder.decode(token);
  } catch {
    return undefined;
  }
}

const plain =
  (logIns: LogIns, visitor: Visitor): Exchange =>
  async (token) => {
    const parts = textOf(token)?.split('\0') ?? [];
    const [authorizationId = '', user = '', password = ''] = parts;
    if (parts.length !== 3 || user === '' || password === '') return failure('not a user and a password');
    if (authorizationId !== '' && authorizationId !== user) return failure('on behalf of another user');
    const checked = await logIns.password(visitor, user, Buffer.from(password));
    if ('reason' in checked) return { kind: 'failure', ...checked };
    return { kind: 'success', data: NOTHING, principal: checked.principal };
  };

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
function bearer(logIns: LogIns, visitor: Visitor): Exchange {
  let refusal: Denied | undefined;
  return async (token) => {
    if (refusal !== undefined) return { kind: 'failure', ...refusal };
    const message = readBearer(textOf(token) ?? '');
    if (message === undefined) return failure('not a message of OAUTHBEARER');
    const { authorizationId, jwt } = message;
    const checked = await logIns.token(visitor, jwt);
    if ('reason' in checked) {
      refusal = checked;
      return { kind: 'challenge', data: REFUSED };
    }
    const { principal } = checked;
    if (authorizationId !== '' && authorizationId !== principal.userName) {
      return failure('on behalf of another user');
    }
    return { kind: 'success', data: NOTHING, principal };
  };
}

export function beginExchange(mechanism: MechanismName, logIns: LogIns, visitor: Visitor): Exchange {
  if (mechanism === 'PLAIN') return plain(logIns, visitor);
  return mechanism === 'OAUTHBEARER' ? bearer(logIns, visitor) : logIns.scram(visitor, mechanism);
}
