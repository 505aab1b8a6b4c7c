/** Where an enhanced authentication stands. */
import type { Principal } from '../../security/security.ts';
import type { ConnectRequest } from './auth.ts';

export type Admit = (principal: Principal, data: Uint8Array | undefined) => void;

/** What an exchange needs to know of its CONNECT until it is over, and for later ones. */
export interface ExchangeState {
  readonly method: string;
  readonly request: ConnectRequest;
  readonly admit: Admit;
}
