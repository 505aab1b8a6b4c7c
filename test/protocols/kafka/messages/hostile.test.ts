import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRequestHeader } from '../../../../src/protocols/kafka/messages/frame.ts';
import type { Message } from '../../../../src/protocols/kafka/schema/message.ts';
import { valuesOf } from '../support/arbitrary.ts';
import { encoded, messages, versionsOf } from '../support/messages.ts';

/** ROBUSTMQ_KAFKA_RUNS is the long form. */
const numRuns = Number(process.env.ROBUSTMQ_KAFKA_RUNS ?? 4);
/** The newest, or all. */
const someVersions = (message: Message): number[] =>
  numRuns > 4 ? versionsOf(message) : [message.versions.last];
/** Lengths and counts that lie, as plain and as compact ones. */
const LIES = [
  'ffffffff',
  '00000000',
  '7fffffff',
  '80000000',
  '00ffffff',
  'ffffffff07',
  'ffffff7f',
  'ffffffffff7f',
];

describe('bytes that lie', () => {
  it.each(messages)('in $name make nothing large, wherever they are (item 9)', (message) => {
    for (const version of someVersions(message)) {
      const [value] = fc.sample(valuesOf(message, version), { numRuns: 1, seed: version + 1 });
      const bytes = encoded(message, version, value);
      for (let at = 0; at < bytes.length; at++) {
        for (const lie of LIES) {
          const lying = Buffer.concat([bytes, Buffer.alloc(8)]);
          lying.write(lie, at, 'hex');
          const { value: read, fault } = message.decode(version, lying);
          if (fault !== undefined) {
            if (fault.path === '') throw new Error(`${fault.reason} somewhere, version ${version}, at ${at}`);
            continue;
          }
          // What is read is no more than the bytes could say: each element of an array takes one at least.
          const { length } = JSON.stringify(read);
          if (length > 40_000) throw new Error(`${length} characters, version ${version}, at ${at}`);
        }
      }
    }
  });

  it.each(messages)('and noise are no $name, or one that can be written (item 5)', (message) => {
    for (const version of versionsOf(message)) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 120 }), (noise) => {
          const { value } = message.decode(version, noise);
          if (value !== undefined) encoded(message, version, value);
        }),
        { numRuns },
      );
    }
  });

  it('and noise are no header, or one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        const { header, fault } = decodeRequestHeader(noise);
        expect(header === undefined).toBe(fault !== undefined);
        expect(header?.end ?? 0).toBeLessThanOrEqual(noise.length);
      }),
      { numRuns: numRuns * 100 },
    );
  });
});
