/**
 * Bytes that another implementation has agreed to: for each message and version, one that Apache Kafka's own Java classes (3.9.1 and
 * 4.2.0) read without a rest and wrote again as they were, with the fields that they saw in it
 * (but for record batches, which they do not print).
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encoded, messages, versionsOf } from '../support/messages.ts';

interface Golden {
  readonly message: string;
  readonly version: number;
  readonly hex: string;
  readonly value: unknown;
}

const golden = readFileSync(new URL('golden.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line): Golden => JSON.parse(line));

/** As the other side prints it. */
function printed(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(printed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, printed(field)]));
}

describe('bytes from Apache Kafka', () => {
  it('are there for every message and version', () => {
    const ours = messages.flatMap((message) =>
      versionsOf(message).map((version) => `${message.name} ${version}`),
    );
    expect(golden.map(({ message, version }) => `${message} ${version}`).sort()).toEqual(ours.sort());
  });

  it.each(messages)('$name says the same to us, and is written the same', (message) => {
    for (const { version, hex, value } of golden.filter((each) => each.message === message.name)) {
      const decoded = message.decode(version, Buffer.from(hex, 'hex'));
      expect(decoded).toMatchObject({ end: hex.length / 2 });
      expect(printed(decoded.value)).toMatchObject(value as object);
      expect(encoded(message, version, decoded.value).toString('hex')).toBe(hex);
    }
  });
});
