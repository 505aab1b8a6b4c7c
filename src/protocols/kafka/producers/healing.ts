/**
 * What a crash leaves of transactions, made whole at start. In one frame are the decision and its markers; what can still be missing:
 * the decision, where markers went ahead of a frame that was too large for one append: a marker says how it was decided.
 * Markers, where partitions have a journal of their own: the decision says for which. That a partition joined, where its first batch
 * went ahead: it joins again if its producer is still that one. Whatever else is open belongs to nobody, and is aborted.
 */
import { ErrorCode } from '../messages/errors.ts';
import type { Open } from './change-log.ts';
import type { Coordinator } from './coordinator.ts';
import type { ProducerStore } from './store.ts';
import { isEnding, markedProducer, type Transaction } from './transaction.ts';

export interface HealingOptions {
  readonly store: ProducerStore;
  readonly coordinator: Coordinator;
}

export interface Healed {
  /** Transactions whose end was completed. */
  readonly ended: number;
  /** Partitions that joined again. */
  readonly joined: number;
  /** Of nobody. */
  readonly aborted: number;
}

const { NONE } = ErrorCode;

/** undefined when there is no room to write now: to be tried again. */
export async function heal({ store, coordinator }: HealingOptions): Promise<Healed | undefined> {
  let ended = 0;
  if (store.lost.size > 0 && (await coordinator.noteLost(store.lost)) !== NONE) return undefined;
  for (const [id, { isCommit, epoch }] of [...store.evidence]) {
    const transaction = store.transactions.get(id);
    if (transaction?.state !== 'Ongoing') continue;
    if ((await coordinator.finish(transaction, isCommit, epoch)) !== NONE) return undefined;
    ended++;
  }
  for (const transaction of [...store.transactions.values()]) {
    if (!isEnding(transaction)) continue;
    const error = await coordinator.finishAgain(transaction, unmarked(store, transaction));
    if (error !== NONE) return undefined;
    ended++;
  }
  const { adopted, orphans } = unowned(store);
  for (const { transaction, logId, firstOffset } of adopted) {
    coordinator.join(transaction, [[logId, firstOffset]], true);
  }
  if (adopted.length + orphans.length > 0) {
    if ((await coordinator.abortOrphans(orphans)) !== NONE) return undefined;
  }
  return { ended, joined: adopted.length, aborted: orphans.length };
}

/** Where its producer still has something open. */
function unmarked(store: ProducerStore, transaction: Transaction): Open[] {
  const producer = markedProducer(transaction);
  return [...transaction.partitions].flatMap(([logId, from]) => {
    const firstOffset = store.logs.get(logId)?.open.get(producer.producerId) ?? -1;
    const partition = store.partitionOf(logId);
    return partition === undefined || firstOffset < from ? [] : [{ partition, producer }];
  });
}

interface Adopted {
  readonly transaction: Transaction;
  readonly logId: number;
  readonly firstOffset: number;
}

function unowned(store: ProducerStore): { adopted: Adopted[]; orphans: Open[] } {
  const adopted: Adopted[] = [];
  const orphans: Open[] = [];
  for (const [logId, { open, byId }] of store.logs) {
    const partition = store.partitionOf(logId);
    if (partition === undefined) continue;
    for (const [producerId, firstOffset] of open) {
      const transaction = store.ofProducer(producerId);
      const isIn = transaction?.state === 'Ongoing' && transaction.partitions.has(logId);
      if (isIn) continue;
      const epoch = byId.get(producerId)?.epoch ?? 0;
      if (transaction?.epoch === epoch) adopted.push({ transaction, logId, firstOffset });
      else orphans.push({ partition, producer: { producerId, epoch } });
    }
  }
  return { adopted, orphans };
}
