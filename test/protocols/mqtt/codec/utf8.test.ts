import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeUtf8, utf8Fault } from '../../../../src/protocols/mqtt/codec/utf8.ts';

const check = (bytes: Uint8Array) => utf8Fault(bytes, 0, bytes.length, false);

it('agrees with the platform on which bytes are UTF-8, but for U+0000', () => {
  const lead = fc.constantFrom(0x00, 0x41, 0x7f, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff);
  const tail = fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x7f, 0xc0);
  const byte = fc.oneof(lead, tail, fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.array(byte, { maxLength: 6 }), (random, chosen) => {
      for (const bytes of [random, Uint8Array.from(chosen)]) {
        const fault = check(bytes);
        if (fault === undefined) expect(bytes.includes(0)).toBe(false);
        if (fault === 'null') expect(bytes.includes(0)).toBe(true);
        else expect(fault === undefined).toBe(isUtf8(bytes));
      }
    }),
    { numRuns: 5000 },
  );
});

it('accepts every code point that UTF-8 can carry', () => {
  for (let code = 1; code <= 0x10ffff; code += code < 0x3000 ? 1 : 257) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const bytes = new TextEncoder().encode(String.fromCodePoint(code));
    if (check(bytes) !== undefined) expect.fail(`U+${code.toString(16)} refused`);
    if (decodeUtf8(bytes) !== String.fromCodePoint(code)) expect.fail(`U+${code.toString(16)} changed`);
  }
});

it('looks at its range only', () => {
  const bytes = Uint8Array.of(0xff, 0x61, 0xe2, 0x82, 0xac);
  expect(utf8Fault(bytes, 1, 5, true)).toBeUndefined();
  expect(utf8Fault(bytes, 1, 4, false)).toBe('ill-formed');
});
