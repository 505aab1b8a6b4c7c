import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { valuesOf } from '../support/arbitrary.ts';
import { encoded, messages, versionsOf } from '../support/messages.ts';

/** ROBUSTMQ_KAFKA_RUNS is the long form. */
const numRuns = Number(process.env.ROBUSTMQ_KAFKA_RUNS ?? 4);

describe('every message in every version', () => {
  it.each(messages)('$name comes back as it was', (message) => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(valuesOf(message, version), (value) => {
          const bytes = encoded(message, version, value);
          expect(message.decode(version, bytes)).toEqual({ value, end: bytes.length });
        }),
        { numRuns },
      );
    }
  });

  it.each(messages)('$name, cut anywhere, is truncated and not misread (item 4)', (message) => {
    for (const version of versionsOf(message)) {
      const [value] = fc.sample(valuesOf(message, version), { numRuns: 1, seed: version });
      const bytes = encoded(message, version, value);
      for (let length = 0; length < bytes.length; length++) {
        const { fault } = message.decode(version, bytes.subarray(0, length));
        if (fault?.reason !== 'truncated')
          throw new Error(`version ${version} cut to ${length}: ${fault?.reason}`);
      }
    }
  });

  it.each(messages)(
    '$name with any byte changed is read or refused, and written again if read',
    (message) => {
      for (const version of versionsOf(message)) {
        const [value] = fc.sample(valuesOf(message, version), { numRuns: 1, seed: version });
        const bytes = encoded(message, version, value);
        for (let at = 0; at < bytes.length; at++) {
          for (const mask of numRuns > 4 ? [0x01, 0x80, 0xff] : [1 << (at % 8)]) {
            const changed = Buffer.from(bytes);
            changed[at] = (changed[at] as number) ^ mask;
            const { value: read, fault } = message.decode(version, changed);
            if (fault !== undefined) continue;
            const again = encoded(message, version, read);
            expect(message.decode(version, again).value).toEqual(read);
          }
        }
      }
    },
  );
});
