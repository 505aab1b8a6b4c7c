/**
 * The message that a dead one becomes: where it goes, and what its user properties say about it. As with moves of
 * queues (move.ts), the first reason and origin stay when a dead letter dies again; only the number of moves changes.
 * The target depends on nothing but that origin, so a dead letter that dies where it was put is given up, and dead
 * letters cannot go round. Not here: when a message is dead, and publishing.
 */
import type { DiscardReason } from './log-queue/entries.ts';
import type { Message } from './message.ts';
import { appendUserProperties, nextUserProperty, withoutUserProperty } from './user-properties.ts';

export interface DeadLetterRules {
  /** With `{topic}` and `{client}`; empty: none. */
  readonly topic: string;
  readonly expired: boolean;
  readonly rejected: boolean;
  readonly overflow: boolean;
}

export interface Death {
  readonly reason: DiscardReason;
  /** Identifier of the client that it was for. */
  readonly client: string;
  /** Name of the shared subscription, where it was for one. */
  readonly group?: string;
  readonly atMs: number;
  /** How often it was delivered before. */
  readonly deliveries: number;
}

const Name = {
  reason: 'dead-letter-reason',
  topic: 'dead-letter-topic',
  client: 'dead-letter-client',
  group: 'dead-letter-group',
  deliveries: 'dead-letter-deliveries',
  time: 'dead-letter-time',
  count: 'dead-letter-count',
} as const;

const MAX_TOPIC_BYTES = 65_535;
const MAX_LEVELS = 200;
const PREFIX = 'dead-letter-';
const COUNT = new TextEncoder().encode(Name.count);
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Undefined when there is to be none. */
export function deadLetterOf(message: Message, death: Death, rules: DeadLetterRules): Message | undefined {
  if (!wantsDeadLetter(death.reason, rules)) return undefined;
  const before = provenanceOf(message.properties);
  const isAgain = before.get(Name.topic) !== undefined;
  const originTopic = before.get(Name.topic) ?? decoder.decode(message.topic);
  const originClient = isAgain ? (before.get(Name.client) ?? '') : death.client;
  const target = targetOf(rules.topic, originTopic, originClient);
  if (isAgain && Buffer.compare(target, message.topic) === 0) return undefined;
  return {
    topic: target,
    payload: message.payload,
    properties: isAgain ? countedAgain(message.properties, before) : marked(message, death),
    qos: message.qos,
    retain: false,
    expiresAtMs: 0,
    publisher: -1,
  };
}

/** Whether one that dies of this becomes a dead letter. */
export function wantsDeadLetter(reason: DiscardReason, rules: DeadLetterRules): boolean {
  if (rules.topic === '') return false;
  switch (reason) {
    case 'expired':
      return rules.expired;
    case 'rejected':
      return rules.rejected;
    case 'overflow':
      return rules.overflow;
    case 'delivery-limit':
      return true;
  }
}

function marked({ topic, properties }: Message, death: Death): Uint8Array {
  const { reason, client, group, atMs, deliveries } = death;
  return appendUserProperties(properties, [
    [Name.reason, reason],
    [Name.topic, decoder.decode(topic)],
    [Name.client, client],
    ...(group === undefined ? [] : [[Name.group, group] as const]),
    ...(deliveries === 0 ? [] : [[Name.deliveries, String(deliveries)] as const]),
    [Name.time, new Date(atMs).toISOString()],
    [Name.count, '1'],
  ]);
}

function countedAgain(properties: Uint8Array, before: ReadonlyMap<string, string>): Uint8Array {
  const count = Number.parseInt(before.get(Name.count) ?? '', 10);
  const next = Number.isSafeInteger(count) && count > 0 ? count + 1 : 2;
  return appendUserProperties(withoutUserProperty(properties, COUNT), [[Name.count, String(next)]]);
}

/** What the properties say of an earlier death: the first of each name. */
function provenanceOf(properties: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  let each = nextUserProperty(properties, 0);
  for (; each !== undefined; each = nextUserProperty(properties, each.end)) {
    if (each.name.length < PREFIX.length || each.name[0] !== COUNT[0]) continue;
    const name = decoder.decode(each.name);
    if (name.startsWith(PREFIX) && !found.has(name)) found.set(name, decoder.decode(each.value));
  }
  return found;
}

/** Client identifiers may have what topic names may not, and together the parts may be too long or too deep. */
function targetOf(template: string, topic: string, client: string): Uint8Array {
  const plain = fill(template, topic, client);
  if (isTopicName(plain)) return encoder.encode(plain);
  const clean = (text: string): string => text.replace(/[+#\0]/g, '_');
  const filled = fill(template, clean(topic), clean(client));
  const flat = filled.split('/').length <= MAX_LEVELS ? filled : flatten(template, topic, client, clean);
  return cut(flat === '' ? '_' : flat);
}

function flatten(template: string, topic: string, client: string, clean: (text: string) => string): string {
  const flat = (text: string): string => clean(text).replaceAll('/', '_');
  return fill(template, flat(topic), flat(client));
}

const fill = (template: string, topic: string, client: string): string =>
  template.replace(/\{(topic|client)\}/g, (_, part) => (part === 'topic' ? topic : client));

function isTopicName(text: string): boolean {
  const isShort = text.length * 3 <= MAX_TOPIC_BYTES || Buffer.byteLength(text) <= MAX_TOPIC_BYTES;
  return text !== '' && isShort && !/[+#\0]/.test(text) && text.split('/').length <= MAX_LEVELS;
}

function cut(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length <= MAX_TOPIC_BYTES) return bytes;
  let end = MAX_TOPIC_BYTES;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.slice(0, end);
}
