/** Messages on their way into the streams that capture their topics. */
import type { Streams } from '../../../kernel/streams/streams.ts';
import type { Mqtt } from '../context.ts';
import type { Session } from '../session.ts';
import type { Publication } from './publication.ts';

export type StreamCapture = Pick<Streams, 'capturing' | 'append'>;

/** 'refused': a stream would not take it, and nobody may be told that it did. */
export function capture(
  mqtt: Mqtt,
  own: Publication,
  publisher: Session | undefined,
): 'none' | 'taken' | 'refused' {
  const { streams } = mqtt;
  const capturing = streams.capturing(own.message.topic);
  if (capturing.length === 0) return 'none';
  if (own.refusal !== undefined) return 'refused';
  const origin = { clientId: publisher?.clientId ?? '', atMs: mqtt.clock.wallMs() };
  for (const stream of capturing) {
    if (typeof streams.append(stream, own.message, origin) === 'string') return 'refused';
  }
  own.hasEntries = true;
  return 'taken';
}
