/** Who has written what appears later: kept with it, and asked about when it is due. */
import {
  decodeOwner,
  encodeOwner,
  isOfDatabase,
  type Owner,
  standingOf,
} from '../../../security/authorization/owner.ts';
import type { Principal } from '../../../security/security.ts';
import type { Users } from '../../../security/users/users.ts';
import { principalName } from './authentication.ts';
import type { Authorizer } from './authorizer.ts';
import { Operation, ResourceType } from './vocabulary.ts';

export interface Writers {
  /** To be kept; nothing for the broker itself. undefined: it has more rules than can be kept. */
  keep(writer: Principal | undefined): Uint8Array | undefined;
  /** Whether who was kept may write to the topic of that name now. */
  mayStillWrite(kept: Uint8Array, topic: string): boolean;
}

const NOBODY = new Uint8Array(0);
const MAX_BYTES = 65_535;
const MAX_KNOWN = 1024;

export function createWriters(authorizer: Pick<Authorizer, 'allows'>, users: Pick<Users, 'get'>): Writers {
  /** By what is kept: decisions about somebody are remembered with the object. */
  const owners = new Map<string, Owner>();
  const ownerOf = (text: string): Owner => {
    let owner = owners.get(text);
    if (owner === undefined) {
      if (owners.size >= MAX_KNOWN) owners.clear();
      owner = decodeOwner(text, 'kafka');
      owners.set(text, owner);
    }
    return owner;
  };

  return {
    keep(writer) {
      if (writer === undefined) return NOBODY;
      const kept = Buffer.from(encodeOwner({ principal: writer, isOfDatabase: isOfDatabase(writer, users) }));
      return kept.length > MAX_BYTES ? undefined : kept;
    },
    mayStillWrite(kept, topic) {
      if (kept.length === 0) return true;
      const text = Buffer.from(kept.buffer, kept.byteOffset, kept.length).toString();
      const identity = standingOf(ownerOf(text), users);
      if (identity === undefined) return false;
      const { remoteAddress } = identity;
      const subject = { principal: principalName(identity), remoteAddress, identity };
      return authorizer.allows(subject, Operation.Write, ResourceType.Topic, topic);
    },
  };
}
