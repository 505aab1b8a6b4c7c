/** Who asks for an operation. */
import type { NodeScope } from '../security/authorization/scopes.ts';

export interface Caller {
  /** undefined over the control socket, whose file says who may. */
  readonly user: string | undefined;
  /** For the audit log. */
  readonly via: 'socket' | 'http' | 'api-key';
  /** '' over the control socket. */
  readonly address: string;
  readonly tenant: string;
  may(scope: NodeScope): boolean;
}
