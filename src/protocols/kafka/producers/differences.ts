/**
 * For the audit: how what a table has of producers differs from another's, where that matters. Not how long a producer has been idle,
 * who of them was forgotten, and whether the end of a transaction was seen to be durable: journal and views may tell that differently.
 */
import type { Table } from '../../../kernel/state/table.ts';
import { type AbortedRanges, createAbortedRanges } from './aborted-ranges.ts';
import { decodeIds, decodePartition, decodeTransactions } from './entries.ts';
import { decodePageKey, Page } from './page-keys.ts';
import type { PartitionProducers, Producer } from './partition-producers.ts';
import { isEnding, type Transaction } from './transaction.ts';

export interface ProducerContents {
  readonly idsBelow: number;
  readonly transactions: ReadonlyMap<string, Transaction>;
  readonly logs: ReadonlyMap<number, PartitionProducers>;
  readonly aborted: AbortedRanges;
}

function contentsOf(table: Table): ProducerContents {
  const transactions = new Map<string, Transaction>();
  const logs = new Map<number, PartitionProducers>();
  const aborted = createAbortedRanges(() => {});
  let idsBelow = 0;
  for (const key of table.pageKeys()) {
    const page = table.page(key);
    if (page === undefined) continue;
    const { kind, first } = decodePageKey(key);
    if (kind === Page.Ids) idsBelow = decodeIds(page);
    else if (kind === Page.Partition) logs.set(first, decodePartition(page));
    else if (kind === Page.Aborted) aborted.loadChunk(first, page);
    else for (const each of decodeTransactions(page)) transactions.set(each.id, each);
  }
  return { idsBelow, transactions, logs, aborted };
}

function described(transaction: Transaction | undefined): string {
  if (transaction === undefined) return 'is not there';
  const { producerId, epoch, lastProducerId, lastEpoch, timeoutMs, state, startMs } = transaction;
  const isOver = isEnding(transaction) || state.startsWith('Complete');
  const parts = isOver ? [] : [startMs, ...transaction.partitions.keys(), ...transaction.groups];
  const stateName = state.replace('Prepare', 'Complete');
  return [stateName, producerId, epoch, lastProducerId, lastEpoch, timeoutMs, ...parts].join(' ');
}

const batchesOf = ({ batches }: Producer, count: number): string =>
  batches
    .slice(batches.length - count)
    .map(({ firstSequence, lastSequence, baseOffset }) => `${firstSequence}-${lastSequence}@${baseOffset}`)
    .join(' ');

function* differencesOfLog(
  right: PartitionProducers | undefined,
  found: PartitionProducers | undefined,
): Generator<string> {
  for (const id of new Set([...(right?.open.keys() ?? []), ...(found?.open.keys() ?? [])])) {
    const [a, b] = [right?.open.get(id), found?.open.get(id)];
    if (a !== b)
      yield `producer ${id} has a transaction open from ${b ?? 'nowhere'} instead of ${a ?? 'nowhere'}`;
  }
  for (const [id, known] of right?.byId ?? []) {
    const other = found?.byId.get(id);
    if (other === undefined) continue;
    if (known.epoch !== other.epoch)
      yield `producer ${id} has epoch ${other.epoch} instead of ${known.epoch}`;
    // One may have been forgotten in between and have come again.
    const count = Math.min(known.batches.length, other.batches.length);
    const [a, b] = [batchesOf(known, count), batchesOf(other, count)];
    if (a !== b) yield `the last batches of producer ${id} are ${b} instead of ${a}`;
  }
}

const rangesOf = ({ aborted }: ProducerContents, logId: number): string =>
  aborted
    .find(logId, 0, Number.POSITIVE_INFINITY)
    .map(({ producerId, firstOffset, lastOffset }) => `${producerId}: ${firstOffset}-${lastOffset}`)
    .join(', ');

/** `right` is what the journal says. */
export function* producerDifferences(right: ProducerContents, table: Table): Generator<string> {
  const found = contentsOf(table);
  if (right.idsBelow !== found.idsBelow) {
    yield `producer ids below ${found.idsBelow} are set aside instead of ${right.idsBelow}`;
  }
  for (const id of new Set([...right.transactions.keys(), ...found.transactions.keys()])) {
    const [a, b] = [described(right.transactions.get(id)), described(found.transactions.get(id))];
    if (a !== b) yield `transactional id "${id}" ${b} instead of ${a}`;
  }
  const logIds = [right, found].flatMap(({ logs, aborted }) => [...logs.keys(), ...aborted.logs()]);
  for (const logId of new Set(logIds)) {
    for (const problem of differencesOfLog(right.logs.get(logId), found.logs.get(logId))) {
      yield `log ${logId}: ${problem}`;
    }
    const [a, b] = [rangesOf(right, logId), rangesOf(found, logId)];
    if (a !== b) yield `log ${logId}: aborted is ${b || 'nothing'} instead of ${a || 'nothing'}`;
  }
}
