import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterMatches } from '../../src/kernel/topic-filter.ts';
import { bytes, filterArbitrary, naiveMatch, topicArbitrary } from './topic-model.ts';

describe('filterMatches', () => {
  it('says of any filter and topic what the rules level by level say', () => {
    fc.assert(
      fc.property(filterArbitrary, topicArbitrary, (filter, topic) => {
        expect(filterMatches(bytes(filter), bytes(topic))).toBe(naiveMatch(filter, topic));
      }),
      { numRuns: 2000 },
    );
  });

  it('says the same of filters that were made from the topic, which match more often', () => {
    const made = topicArbitrary.chain((topic) => {
      const levels = topic.split('/');
      return fc.tuple(
        fc.constant(topic),
        fc.array(fc.nat(3), { minLength: levels.length, maxLength: levels.length }),
        fc.nat(levels.length + 1),
      );
    });
    fc.assert(
      fc.property(made, ([topic, draws, cut]) => {
        const levels = topic.split('/').map((level, i) => (draws[i] === 0 ? '+' : level));
        const filter = cut <= levels.length ? [...levels.slice(0, cut), '#'].join('/') : levels.join('/');
        expect(filterMatches(bytes(filter), bytes(topic))).toBe(naiveMatch(filter, topic));
      }),
      { numRuns: 1000 },
    );
  });
});
