/** Who MQTT's sessions and messages belong to, and how a message that waits says it. */
import type { Message } from '../../../kernel/message.ts';
import { appendUserProperties, userProperty, withoutUserProperty } from '../../../kernel/user-properties.ts';
import { decodeOwner as decode, encodeOwner, type Owner } from '../../../security/authorization/owner.ts';

export { encodeOwner, type Owner, ownerOf } from '../../../security/authorization/owner.ts';

/** Throws for what `encodeOwner` has not made. */
export const decodeOwner = (text: string): Owner => decode(text, 'mqtt');

/** A user property that no client can send: U+0000 is not allowed in any text of MQTT. */
const PROPERTY = '\0';
const PROPERTY_BYTES = Buffer.from(PROPERTY);
const MAX_OWNER_BYTES = 65_535;

/** undefined: its owner brought more rules than can be kept with a message. */
export function withOwner(message: Message, owner: Owner): Message | undefined {
  const text = encodeOwner(owner);
  if (Buffer.byteLength(text) > MAX_OWNER_BYTES) return undefined;
  return { ...message, properties: appendUserProperties(message.properties, [[PROPERTY, text]]) };
}

export function takeOwner(message: Message): {
  readonly message: Message;
  readonly owner: Owner | undefined;
} {
  const value = userProperty(message.properties, PROPERTY_BYTES);
  if (value === undefined) return { message, owner: undefined };
  return {
    message: { ...message, properties: withoutUserProperty(message.properties, PROPERTY_BYTES) },
    owner: decodeOwner(Buffer.from(value).toString()),
  };
}
