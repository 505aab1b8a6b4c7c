import { expect, it } from 'vitest';
import { createDelayed } from '../src/kernel/delayed/delayed.ts';
import { delayedAsHolder } from '../src/object-tier.ts';

const message = (payload: string) => ({
  topic: Buffer.from('t'),
  payload: Buffer.from(payload),
  properties: new Uint8Array(0),
  qos: 1 as const,
  retain: false,
  expiresAtMs: 0,
  publisher: -1,
});

it('shows the delayed messages below an id, in pieces, without those that end with the process', async () => {
  const delayed = createDelayed({ maxMessages: 1000, maxBytes: 1e6 });
  const holder = delayedAsHolder(delayed);
  expect(holder.oldestId()).toBe(holder.nextId);
  const wanted: string[] = [];
  for (let i = 0; i < 150; i++) {
    delayed.schedule(message(`${i}`), 1000 + i, i % 3 === 0);
    if (i % 3 !== 0) wanted.push(`${i}`);
  }
  const end = holder.nextId;
  delayed.schedule(message('later'), 1000);
  const found: string[] = [];
  let pieces = 0;
  for (let at = holder.oldestId(); at < end; pieces++) {
    const { messages, next } = await holder.held(at, end);
    found.push(...messages.map(({ payload }) => Buffer.from(payload).toString()));
    expect(next).toBeGreaterThan(at);
    at = next;
  }
  expect(found).toEqual(wanted);
  expect(pieces).toBeGreaterThan(1);
});
