/**
 * A service of the operator that is asked by HTTP: a POST of a JSON object, answered by 200 and a JSON object with `result`:
 * `allow`, `deny` or `ignore`. Anything else is no answer, and refuses: a service that is down lets nobody in.
 */
import { type HttpClient, jsonObject } from '../outbound/request.ts';
import type { Attempt } from '../security.ts';
import { claimedRoles, claimedRules } from '../tokens/claimed-rules.ts';
import { accessFault, nameFault } from '../users/faults.ts';
import { type Answer, type Authenticator, letIn, notMine, refuse } from './authenticator.ts';

export interface HttpAuthenticatorOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** None: all fields that are known. */
  readonly body: readonly { readonly name: string; readonly value: string }[];
  readonly client: HttpClient;
}

const MAX_PASSWORD_BYTES = 16 * 1024;
const MAX_SECONDS = 1e11;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Fields = Readonly<Record<string, string>>;

/** undefined where the password is no text that JSON could carry. */
function fieldsOf(attempt: Attempt): Fields | undefined {
  const { password, certificate } = attempt;
  if (password !== undefined && password.length > MAX_PASSWORD_BYTES) return undefined;
  try {
    return {
      username: attempt.userName ?? '',
      password: password === undefined ? '' : decoder.decode(password),
      clientid: attempt.clientId ?? '',
      protocol: attempt.protocol,
      listener: attempt.listener,
      ip: attempt.remoteAddress,
      certname: certificate?.commonName ?? '',
    };
  } catch {
    return undefined;
  }
}

/** Each field once, and never what a field brings with it. */
const filled = (template: string, fields: Fields): string =>
  template.replace(/\$\{([a-z]+)\}/g, (written, name: string) =>
    Object.hasOwn(fields, name) ? (fields[name] ?? '') : written,
  );

type Json = Readonly<Record<string, unknown>>;

function allowed(answer: Json, attempt: Attempt): Answer {
  const garbage = (what: string): Answer => refuse('unavailable', `the service answers with ${what}`);
  const userName = answer.userName ?? answer.username ?? attempt.userName;
  const tenant = answer.tenant ?? '';
  const superuser = answer.isSuperuser ?? answer.is_superuser ?? false;
  const expires = answer.expiresAt ?? answer.expire_at;
  const roles = claimedRoles(answer.roles);
  const rules = claimedRules(answer.rules ?? answer.acl);
  if (typeof userName !== 'string') return garbage('nobody: neither it nor the client names a user');
  if (typeof tenant !== 'string') return garbage('a tenant that is no text');
  if (typeof superuser !== 'boolean') return garbage('isSuperuser that is neither true nor false');
  if (roles === undefined) return garbage('roles that are none');
  if (rules === undefined) return garbage('rules that cannot be understood');
  const isTime =
    expires === undefined || (typeof expires === 'number' && expires > 0 && expires < MAX_SECONDS);
  if (!isTime) return garbage('expiresAt that is no time');
  const fault = nameFault(userName) ?? accessFault({ tenant, roles });
  if (fault !== undefined) return garbage(fault);
  const expiresAtMs = expires === undefined ? undefined : expires * 1000;
  return letIn({ userName, tenant, roles, rules, isSuperuser: superuser, expiresAtMs });
}

export function createHttpAuthenticator(options: HttpAuthenticatorOptions): Authenticator {
  const { url, body, client } = options;
  const headers = { 'content-type': 'application/json', accept: 'application/json', ...options.headers };
  return {
    name: 'http',
    async authenticate(attempt, signal) {
      if (
        attempt.userName === undefined &&
        attempt.password === undefined &&
        attempt.certificate === undefined
      ) {
        return notMine;
      }
      const fields = fieldsOf(attempt);
      if (fields === undefined) return refuse('bad-credentials', 'a password that is no text, or too long');
      const wanted: Fields =
        body.length === 0
          ? fields
          : Object.fromEntries(body.map(({ name, value }) => [name, filled(value, fields)]));
      const answer = await client.send({
        method: 'POST',
        url,
        headers,
        body: JSON.stringify(wanted),
        signal,
      });
      if (answer === 'busy') return refuse('busy', 'too many log-ins wait for the service');
      if (answer.status !== 200) return refuse('unavailable', `the service answers ${answer.status}`);
      const json = jsonObject(answer.body);
      if (json === undefined)
        return refuse('unavailable', 'the service answers with something else than an object');
      if (json.result === 'allow') return allowed(json, attempt);
      if (json.result === 'deny') return refuse('bad-credentials', 'the service denies it');
      return json.result === 'ignore'
        ? notMine
        : refuse('unavailable', 'the service answers without a result');
    },
    close: () => client.close(),
  };
}
