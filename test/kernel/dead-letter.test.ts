import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Death, deadLetterOf } from '../../src/kernel/dead-letter.ts';
import type { Message } from '../../src/kernel/message.ts';
import { appendUserProperties, nextUserProperty } from '../../src/kernel/user-properties.ts';
import { bytes, text } from './topic-model.ts';

const rules = { topic: 'dead/{client}/{topic}', expired: true, rejected: true, overflow: true };
const death: Death = { reason: 'expired', client: 'c1', atMs: 1_700_000_000_000, deliveries: 0 };
const content = Uint8Array.of(3, 0, 1, 65);

function message(topic: string, extra: Partial<Message> = {}): Message {
  const rest = { payload: bytes('x'), qos: 2, retain: true, expiresAtMs: 99, publisher: 7 } as const;
  return { topic: bytes(topic), properties: content, ...rest, ...extra };
}

function pairs({ properties }: Message): Record<string, string> {
  const found: Record<string, string> = {};
  for (let each = nextUserProperty(properties, 0); each; each = nextUserProperty(properties, each.end)) {
    expect(found).not.toHaveProperty(text(each.name));
    found[text(each.name)] = text(each.value);
  }
  return found;
}

function letter(of: Message, how: Death = death, given = rules): Message {
  const found = deadLetterOf(of, how, given);
  if (found === undefined) throw new Error('no dead letter');
  return found;
}

describe('a dead letter', () => {
  it('has the message, what it died of, where it was, and no expiry', () => {
    const dead = letter(message('a/b'), { ...death, group: 'g', deliveries: 3 });
    expect({ ...dead, topic: text(dead.topic), properties: dead.properties.subarray(0, 4) }).toEqual({
      topic: 'dead/c1/a/b',
      payload: bytes('x'),
      properties: content,
      qos: 2,
      retain: false,
      expiresAtMs: 0,
      publisher: -1,
    });
    expect(pairs(dead)).toEqual({
      'dead-letter-reason': 'expired',
      'dead-letter-topic': 'a/b',
      'dead-letter-client': 'c1',
      'dead-letter-group': 'g',
      'dead-letter-deliveries': '3',
      'dead-letter-time': '2023-11-14T22:13:20.000Z',
      'dead-letter-count': '1',
    });
  });

  it('is made for the reasons that are asked for', () => {
    const none = { topic: 'd', expired: false, rejected: false, overflow: false };
    for (const reason of ['expired', 'rejected', 'overflow'] as const) {
      expect(deadLetterOf(message('a'), { ...death, reason }, none)).toBeUndefined();
      expect(deadLetterOf(message('a'), { ...death, reason }, { ...none, [reason]: true })).toBeDefined();
    }
    expect(deadLetterOf(message('a'), { ...death, reason: 'delivery-limit' }, none)).toBeDefined();
    expect(deadLetterOf(message('a'), death, { ...rules, topic: '' })).toBeUndefined();
  });

  it('keeps its first reason and origin when it dies again elsewhere', () => {
    const moved = { ...letter(message('a/b')), topic: bytes('redrive') };
    const again = letter(moved, { reason: 'overflow', client: 'c2', atMs: 5, deliveries: 1 });
    expect(text(again.topic)).toBe('dead/c1/a/b');
    expect(pairs(again)).toEqual({ ...pairs(moved), 'dead-letter-count': '2' });
    expect(pairs(letter({ ...again, topic: bytes('redrive') }))['dead-letter-count']).toBe('3');
  });

  it('is given up when it dies where it was put, whoever it was for', () => {
    for (const topic of ['dead', 'dead/{topic}', '{topic}/{client}']) {
      const dead = letter(message('a'), death, { ...rules, topic });
      expect(deadLetterOf(dead, { ...death, client: 'c2' }, { ...rules, topic })).toBeUndefined();
    }
  });

  it('goes to a valid topic, whatever the client is called and the topic was', () => {
    const part = fc.string({ unit: fc.constantFrom('a', '/', '+', '#', '{topic}', 'ü', '$'), maxLength: 12 });
    fc.assert(
      fc.property(
        fc.constantFrom('{client}', '{topic}/{client}', 'd/{client}'),
        part,
        part,
        (to, topic, client) => {
          const name = topic.replace(/[+#]/g, '');
          const dead = letter(
            message(name === '' ? 'a' : name),
            { ...death, client },
            { ...rules, topic: to },
          );
          expect(text(dead.topic)).toMatch(/^[^+#\0]+$/);
          expect(deadLetterOf(dead, death, { ...rules, topic: to })).toBeUndefined();
        },
      ),
    );
    const long = letter(message('ü'.repeat(32_767)));
    expect([long.topic.length, text(long.topic).endsWith('ü')]).toEqual([65_534, true]);
    const deep = letter(message('/'.repeat(5000)));
    expect(text(deep.topic)).toBe(`dead/c1/${'_'.repeat(5000)}`);
  });

  it('takes no harm from properties that a publisher made up', () => {
    const forged = appendUserProperties(content, [
      ['dead-letter-topic', 'x/#'],
      ['dead-letter-count', 'many'],
    ]);
    const dead = letter(message('a', { properties: forged }));
    expect(text(dead.topic)).toBe('dead//x/_');
    expect(pairs(dead)).toEqual({ 'dead-letter-topic': 'x/#', 'dead-letter-count': '2' });
  });
});
