/**
 * User properties in the properties of a message (MQTT 5 wire form, as src/kernel/message.ts has them): found, taken
 * out, appended. The list must be valid: decoders of packets and records have checked it.
 */
const USER_PROPERTY = 0x26;
const PAYLOAD_FORMAT = 0x01;
const MAX_TEXT_BYTES = 65_535;
const encoder = new TextEncoder();

export interface UserProperty {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  /** Of the whole property in the list. */
  readonly start: number;
  readonly end: number;
}

const lengthAt = (list: Uint8Array, at: number): number => ((list[at] ?? 0) << 8) | (list[at + 1] ?? 0);

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The next one at or behind `from`, where a property begins; undefined when there is none. */
export function nextUserProperty(list: Uint8Array, from: number): UserProperty | undefined {
  for (let at = from; at < list.length; ) {
    const start = at;
    const id = list[at++];
    if (id === PAYLOAD_FORMAT) {
      at++;
      continue;
    }
    const firstEnd = at + 2 + lengthAt(list, at);
    if (id !== USER_PROPERTY) {
      at = firstEnd;
      continue;
    }
    const end = firstEnd + 2 + lengthAt(list, firstEnd);
    if (end > list.length) return undefined;
    return { name: list.subarray(at + 2, firstEnd), value: list.subarray(firstEnd + 2, end), start, end };
  }
  return undefined;
}

/** The value of the first one of that name. */
export function userProperty(list: Uint8Array, name: Uint8Array): Uint8Array | undefined {
  for (let each = nextUserProperty(list, 0); each !== undefined; each = nextUserProperty(list, each.end)) {
    if (isEqual(each.name, name)) return each.value;
  }
  return undefined;
}

/** The list without all of that name; the same array when there is none. */
export function withoutUserProperty(list: Uint8Array, name: Uint8Array): Uint8Array {
  return withoutUserProperties(list, (each) => isEqual(each, name));
}

export function withoutUserProperties(
  list: Uint8Array,
  isUnwanted: (name: Uint8Array) => boolean,
): Uint8Array {
  let kept: Uint8Array | undefined;
  let length = 0;
  let copied = 0;
  for (let each = nextUserProperty(list, 0); each !== undefined; each = nextUserProperty(list, each.end)) {
    if (!isUnwanted(each.name)) continue;
    kept ??= new Uint8Array(list.length);
    kept.set(list.subarray(copied, each.start), length);
    length += each.start - copied;
    copied = each.end;
  }
  if (kept === undefined) return list;
  kept.set(list.subarray(copied), length);
  return kept.subarray(0, length + list.length - copied);
}

/** Texts that are too long for the wire are cut, between characters. */
export function appendUserProperties(
  list: Uint8Array,
  pairs: readonly (readonly [string, string])[],
): Uint8Array {
  const texts = pairs.map(([name, value]) => [encode(name), encode(value)] as const);
  const added = texts.reduce((sum, [name, value]) => sum + 5 + name.length + value.length, 0);
  const result = new Uint8Array(list.length + added);
  result.set(list);
  let at = list.length;
  for (const pair of texts) {
    result[at++] = USER_PROPERTY;
    for (const text of pair) {
      result[at++] = text.length >> 8;
      result[at++] = text.length & 0xff;
      result.set(text, at);
      at += text.length;
    }
  }
  return result;
}

function encode(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= MAX_TEXT_BYTES) return bytes;
  let end = MAX_TEXT_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
