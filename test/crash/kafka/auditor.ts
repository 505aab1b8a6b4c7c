/** Looks all the time at what must never go back or stand still: committed offsets, stable offsets, transactions that are open. */
import { setTimeout as delay } from 'node:timers/promises';
import { Apis } from '../../../src/protocols/kafka/messages/apis.ts';
import { INPUT, PARTITIONS } from './actors.ts';
import { complain, type Ledger } from './ledger.ts';
import { TRANSACTION_TIMEOUT_MS } from './producer.ts';
import { createWire, type Wire } from './wire.ts';

const PERIOD_MS = 60;
/** Beyond its time-out, for the look that finds it and what the end takes on a machine with other work. */
const TRANSACTION_SLACK_MS = 12_000;

export interface Auditor {
  /** Committed offsets by group and partition, as they were seen last. */
  readonly committed: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export const topicsOf = (
  groups: readonly string[],
): { readonly topic: string; readonly partitions: number }[] => [
  { topic: INPUT, partitions: PARTITIONS },
  ...groups.flatMap((group) => [
    { topic: `out-${group}`, partitions: PARTITIONS },
    { topic: `state-${group}`, partitions: 1 },
  ]),
];

/** The end of each partition, for everybody or for who reads what is committed. */
export async function endsOf(
  wire: Wire,
  topics: ReturnType<typeof topicsOf>,
  isolationLevel: 0 | 1,
): Promise<Map<string, number>> {
  const answer = await wire.call(Apis.listOffsets, 6, {
    replicaId: -1,
    isolationLevel,
    topics: topics.map(({ topic: name, partitions }) => ({
      name,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp: -1,
      })),
    })),
  });
  return new Map(
    answer.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, offset }) => [`${name}-${partitionIndex}`, offset] as const),
    ),
  );
}

/** Transactions that are open for longer than `ageMs`. */
export async function openTransactions(wire: Wire, ageMs: number): Promise<string[]> {
  const { transactionStates } = await wire.call(Apis.listTransactions, 1, {
    stateFilters: ['Ongoing', 'PrepareCommit', 'PrepareAbort'],
    producerIdFilters: [],
    durationFilter: ageMs,
  });
  return transactionStates.map(
    ({ transactionalId, transactionState }) => `${transactionalId} ${transactionState}`,
  );
}

export async function committedOf(wire: Wire, groups: readonly string[]): Promise<Map<string, number>> {
  const answer = await wire.call(Apis.offsetFetch, 8, {
    groups: groups.map((groupId) => ({ groupId, topics: null })),
    requireStable: false,
  });
  const found = new Map<string, number>();
  for (const { groupId, topics } of answer.groups) {
    for (const { partitions } of topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        found.set(`${groupId}-${partitionIndex}`, committedOffset);
      }
    }
  }
  return found;
}

/** `upSinceMs`: since when the broker can be reached. */
export function startAuditor(
  port: number,
  ledger: Ledger,
  groups: readonly string[],
  upSinceMs: () => number,
): Auditor {
  const highest = { committed: new Map<string, number>(), stable: new Map<string, number>() };
  const forwardOnly = (what: 'committed' | 'stable', now: ReadonlyMap<string, number>): void => {
    for (const [place, before] of highest[what]) {
      const offset = now.get(place) ?? -1;
      if (offset < before) complain(ledger, `${what} offset of ${place} is ${offset} after ${before}`);
    }
    for (const [place, offset] of now) highest[what].set(place, offset);
  };
  let isOver = false;
  const look = async (wire: Wire): Promise<void> => {
    forwardOnly('committed', await committedOf(wire, groups));
    forwardOnly('stable', await endsOf(wire, topicsOf(groups), 1));
    const patienceMs = TRANSACTION_TIMEOUT_MS + TRANSACTION_SLACK_MS;
    if (performance.now() - upSinceMs() < TRANSACTION_SLACK_MS) return;
    for (const each of await openTransactions(wire, patienceMs)) complain(ledger, `still open: ${each}`);
  };
  const run = async (): Promise<void> => {
    const wire = createWire(port);
    while (!isOver) {
      // Nothing can be seen of a broker that is down.
      await look(wire).catch(() => {});
      await delay(PERIOD_MS);
    }
    wire.close();
  };
  const running = run();
  return {
    committed: highest.committed,
    async stop() {
      isOver = true;
      await running;
    },
  };
}
