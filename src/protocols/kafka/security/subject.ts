/** Of whom authorizers are asked. */
import type { Principal } from '../../../security/security.ts';

/** Who asks: every `Caller` is one. */
export interface Subject {
  /** `User:name`. */
  readonly principal: string;
  readonly remoteAddress: string;
  /** As all protocols know it; undefined: nobody yet, who may do nothing. */
  readonly identity?: Principal | undefined;
}

/** '' where it has none. */
export const tenantNameOf = ({ identity }: Pick<Subject, 'identity'>): string => identity?.tenant ?? '';
