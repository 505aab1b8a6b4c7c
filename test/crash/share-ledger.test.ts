/** That the ledger of share groups complains where a broker has broken a promise, and not where it may do as it did. */
import { expect, test } from 'vitest';
import { createShareLedger, type Letter, type ShareLedger } from './kafka/share-ledger.ts';

const LIMIT = 3;
const letter = (value: string, more: Partial<Letter> = {}): Letter => ({
  value,
  reason: 'rejected',
  deliveries: 1,
  ...more,
});

function violationsOf(story: (ledger: ShareLedger) => readonly Letter[] | undefined): readonly string[] {
  const ledger = createShareLedger();
  ledger.begin();
  for (const value of ['a', 'b']) ledger.fed(value, true);
  ledger.delivered('b', 1, LIMIT);
  ledger.settled(['b'], 'accept', 'done');
  ledger.judge(story(ledger) ?? [], LIMIT);
  return ledger.violations;
}

test.each<[string, (ledger: ShareLedger) => readonly Letter[] | undefined]>([
  [
    'accepted at once',
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'done');
      return undefined;
    },
  ],
  [
    'accepted without an answer, and never seen again',
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'unknown');
      return undefined;
    },
  ],
  [
    'accepted without an answer, handed out again after a kill that took the delivery, and accepted',
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'unknown');
      ledger.begin();
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'done');
      return undefined;
    },
  ],
  [
    'released, and rejected into the dead letters',
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'release', 'done');
      ledger.begin();
      ledger.delivered('a', 2, LIMIT);
      ledger.settled(['a'], 'reject', 'done');
      return [letter('a')];
    },
  ],
  ['delivered as often as may be', () => [letter('a', { reason: 'delivery-limit', deliveries: LIMIT })]],
])('nothing is wrong with a record that was %s', (_what, story) => {
  expect(violationsOf(story)).toEqual([]);
});

test.each<[string, RegExp, (ledger: ShareLedger) => readonly Letter[] | undefined]>([
  ['was lost', /a was lost/, () => undefined],
  [
    'came again after it was accepted',
    /b came again/,
    (ledger) => {
      ledger.delivered('b', 2, LIMIT);
      return [letter('a', { reason: 'delivery-limit', deliveries: LIMIT })];
    },
  ],
  [
    'counts a delivery twice in one life',
    /a has delivery 1 after 1/,
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'done');
      return undefined;
    },
  ],
  [
    'forgets a delivery whose release was acknowledged',
    /was released/,
    (ledger) => {
      ledger.delivered('a', 2, LIMIT);
      ledger.settled(['a'], 'release', 'done');
      ledger.begin();
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'accept', 'done');
      return undefined;
    },
  ],
  [
    'is delivered too often',
    /delivered 4 times where 3/,
    (ledger) => {
      ledger.delivered('a', 4, LIMIT);
      ledger.settled(['a'], 'accept', 'done');
      return undefined;
    },
  ],
  [
    'is rejected and no dead letter',
    /rejected and is no dead letter/,
    (ledger) => {
      ledger.delivered('a', 1, LIMIT);
      ledger.settled(['a'], 'reject', 'done');
      return undefined;
    },
  ],
  [
    'is a dead letter twice',
    /dead letter 2 times/,
    (ledger) => {
      ledger.settled(['a'], 'reject', 'done');
      return [letter('a'), letter('a')];
    },
  ],
  [
    'is a dead letter though it was accepted',
    /b was accepted and is/,
    (ledger) => {
      ledger.settled(['a'], 'reject', 'done');
      return [letter('a'), letter('b', { reason: 'delivery-limit', deliveries: LIMIT })];
    },
  ],
  ['is a dead letter as rejected by nobody', /nobody has rejected/, () => [letter('a')]],
])('it is a violation that a record %s', (_what, complaint, story) => {
  expect(violationsOf(story).join('\n')).toMatch(complaint);
});
