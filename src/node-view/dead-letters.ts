/** Where dead letters are kept. */
import type { DeadLettersView } from '../admin/operations/dlq.ts';
import type { Config } from '../config/config.ts';
import type { Streams } from '../kernel/streams/streams.ts';

/** Filters that name a topic or a client would miss it, as they miss most dead letters. */
const ANY = 'any';

export function deadLettersView(
  config: Pick<Config, 'deadLetter'>,
  streams: Pick<Streams, 'capturing'>,
): DeadLettersView {
  return {
    streams() {
      const template = config.deadLetter.topic;
      if (template === '') return [];
      const topic = template.replace(/\{(?:topic|client)\}/g, ANY);
      return streams.capturing(Buffer.from(topic)).map(({ name }) => name);
    },
  };
}
