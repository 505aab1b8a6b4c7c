import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../../src/config/config.ts';
import { createTopicRules } from '../../../../src/protocols/mqtt/durable/topic-rules.ts';
import { bytes, filterArbitrary, naiveMatch, topicArbitrary } from '../../../kernel/topic-model.ts';

type Rule = Config['topics'][number];

const rule = fc.record({
  match: filterArbitrary,
  storage: fc.constantFrom('memory', 'journal', 'object' as const),
  durability: fc.constantFrom('default', 'memory', 'os', 'sync' as const),
});

describe('rules of topics', () => {
  it('are those of the first that matches, with the durability of the configuration where it says none', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), topicArbitrary, (rules, topic) => {
        const config = {
          storage: { durability: 'os' },
          topics: rules as readonly Rule[],
        } as unknown as Config;
        const first = rules.find(({ match }) => naiveMatch(match, topic));
        const { storage = 'journal', durability = 'default' } = first ?? {};
        const level = durability === 'default' ? 'os' : durability;
        expect(createTopicRules(config)(bytes(topic))).toEqual({ storage, level });
      }),
      { numRuns: 500 },
    );
  });
});
