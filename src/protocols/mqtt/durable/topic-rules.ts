/** What the configuration says of a topic: where its messages are kept, and when they count as kept. */
import type { Config } from '../../../config/config.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { filterMatches } from '../../../kernel/topic-filter.ts';

export interface TopicRuleOf {
  readonly storage: 'memory' | 'journal' | 'object';
  readonly level: Parameters<StateLog['commit']>[0];
}

export function createTopicRules(config: Config): (topic: Uint8Array) => TopicRuleOf {
  const { durability } = config.storage;
  const fallback: TopicRuleOf = { storage: 'journal', level: durability };
  const rules = config.topics.map(({ match, storage, durability: own }) => ({
    filter: Buffer.from(match),
    rule: { storage, level: own === 'default' ? durability : own },
  }));
  if (rules.length === 0) return () => fallback;
  return (topic) => rules.find(({ filter }) => filterMatches(filter, topic))?.rule ?? fallback;
}
