/**
 * UTF-8 as MQTT restricts it (5.0 section 1.5.4, 3.1.1 section 1.5.3): well formed by RFC 3629, no U+0000. A byte order
 * mark is an ordinary character and is kept.
 */

export type Utf8Fault = 'ill-formed' | 'null' | 'discouraged';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** Only for bytes that passed `utf8Fault`. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** What is wrong with bytes[start, end); `strict` also refuses control characters and non-characters. */
export function utf8Fault(
  bytes: Uint8Array,
  start: number,
  end: number,
  strict: boolean,
): Utf8Fault | undefined {
  let position = start;
  while (position < end) {
    const lead = bytes[position] ?? 0;
    if (lead < 0x80) {
      if (lead === 0) return 'null';
      if (strict && (lead < 0x20 || lead === 0x7f)) return 'discouraged';
      position += 1;
      continue;
    }
    const length = sequenceLength(lead);
    if (length === 0 || position + length > end) return 'ill-formed';
    let code = lead & (0xff >> (length + 1));
    for (let i = 1; i < length; i++) {
      const next = bytes[position + i] ?? 0;
      if ((next & 0xc0) !== 0x80) return 'ill-formed';
      code = (code << 6) | (next & 0x3f);
    }
    if (code < shortestFor(length) || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      return 'ill-formed';
    }
    if (strict && isDiscouraged(code)) return 'discouraged';
    position += length;
  }
  return undefined;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

/** Smallest code point that needs `length` bytes: anything below is an over-long form. */
function shortestFor(length: number): number {
  if (length === 2) return 0x80;
  return length === 3 ? 0x800 : 0x10000;
}

function isDiscouraged(code: number): boolean {
  return code <= 0x9f || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}
