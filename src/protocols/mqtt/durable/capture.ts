/** Messages on their way into the streams that capture their topics. */
import type { Streams } from '../../../kernel/streams/streams.ts';
import type { Mqtt } from '../context.ts';
import { type Session, writtenClientId } from '../session.ts';
import { higherLevel, type Publication } from './publication.ts';

export type StreamCapture = Pick<Streams, 'capturing' | 'append'>;

/** 'refused': a stream would not take it, and nobody may be told that it did. */
export function capture(
  mqtt: Mqtt,
  own: Publication,
  publisher: Session | undefined,
  exceptStream: string | undefined,
): 'none' | 'taken' | 'refused' {
  const { streams } = mqtt;
  const all = streams.capturing(own.message.topic);
  const capturing = exceptStream === undefined ? all : all.filter(({ name }) => name !== exceptStream);
  if (capturing.length === 0) return 'none';
  const { log } = mqtt.durable;
  // All of them are asked before one is given it: a publisher is told one thing.
  const isRefused = capturing.some(({ storage }) => log.refusal(storage) !== undefined);
  if (own.refusal !== undefined || isRefused) return 'refused';
  const clientId = publisher === undefined ? '' : writtenClientId(publisher);
  const origin = { clientId, atMs: mqtt.clock.wallMs() };
  for (const stream of capturing) {
    if (typeof streams.append(stream, own.message, origin) === 'string') return 'refused';
    const { durability, storage } = stream;
    const level = durability === 'default' ? own.rule.level : durability;
    own.streamLevel = own.streamLevel === undefined ? level : higherLevel(own.streamLevel, level);
    if (storage === 'object') own.waitsForObjects = true;
  }
  return 'taken';
}
