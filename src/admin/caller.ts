/** Who asks for an operation. */
import type { Scope } from './scopes.ts';

export interface Caller {
  /** For the audit log: a user, an API key, or the control socket. */
  readonly name: string;
  readonly kind: 'socket' | 'session' | 'api-key';
  /** '' over the control socket. */
  readonly address: string;
  readonly scopes: ReadonlySet<Scope>;
  /** '' sees all tenants. */
  readonly tenant: string;
}
