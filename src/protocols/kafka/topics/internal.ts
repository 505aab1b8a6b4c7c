/**
 * The topics in which Kafka keeps its groups and transactions, and which its tools and clients expect to see, with `isInternal`,
 * once there are any. Here they are empty: what they would hold is in tables of the journal, and nobody writes to them.
 */
import type { Kafka } from '../context.ts';
import type { INTERNAL_TOPICS } from './names.ts';

type Host = Pick<Kafka, 'topics' | 'logger'>;

const OVERRIDES = new Map([['cleanup.policy', 'compact']]);

/** Nobody waits for it, and where there is no room for it nothing is missing. */
export function expectInternal({ topics, logger }: Host, name: (typeof INTERNAL_TOPICS)[number]): void {
  if (topics.get(name) !== undefined) return;
  topics.create({ name, partitionCount: 1, overrides: OVERRIDES }).then(
    (made) => {
      if (typeof made === 'string' && made !== 'exists') {
        logger.debug({ topic: name, reason: made }, 'an internal topic was not made');
      }
    },
    (error: unknown) => logger.debug({ topic: name, error }, 'an internal topic was not made'),
  );
}
