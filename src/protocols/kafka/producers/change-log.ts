/** How changes of producers and transactions become durable: entries in the current change, markers beside them, one commit. */
import type { Holding } from '../../../kernel/crossing/follower.ts';
import type { Partition, Partitions } from '../../../kernel/log/partitions.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { LogKernel } from '../../../wasm/log.ts';
import { ErrorCode } from '../messages/errors.ts';
import { buildMarker } from '../records/marker.ts';
import type { EndedPart, ProducerEntry } from './entries.ts';
import { applyMarker, firstOpenOffset } from './partition-producers.ts';
import type { ProducerStore } from './store.ts';
import type { ProducerEpoch } from './transaction.ts';

/** A transaction of a producer in a partition. */
export interface Open {
  readonly partition: Partition;
  readonly producer: ProducerEpoch;
}

export interface ChangeLogOptions {
  readonly store: ProducerStore;
  readonly partitions: Pick<Partitions, 'appendBatch'>;
  readonly kernel: LogKernel;
  readonly log: StateLog;
  /** Of what clients are promised. */
  readonly level: Parameters<StateLog['commit']>[0];
  readonly wallMs: () => number;
  /** Where records wait for what is decided here. */
  readonly crossing: Pick<Holding, 'decided'>;
}

export interface Commit {
  readonly level?: Parameters<StateLog['commit']>[0];
  readonly isSettlement?: boolean;
  /** Markers of these are in the change. */
  readonly marked?: readonly Open[];
  /** Before anything that is committed later is answered. */
  readonly onDurable?: () => void;
}

export interface ChangeLog {
  /** Changes are taken now. */
  readonly isOpen: boolean;
  /** Markers can be appended to all of these now, in the same turn. */
  canMark(parts: readonly Open[]): boolean;
  /** Applies the entry and adds it to the current change. */
  add(entry: ProducerEntry): void;
  /** Appends markers, and applies them. */
  mark(parts: readonly Open[], isCommit: boolean): EndedPart[];
  /** Ends the current change: NONE when it is durable. */
  commit(options?: Commit): Promise<ErrorCode>;
  /** An id that nobody has had; it may be given away when what is committed after it is durable, or `isGranted` says so. */
  takeId(): number;
  isGranted(producerId: number): boolean;
}

const IDS_EACH = 1000;

export function createChangeLog(options: ChangeLogOptions): ChangeLog {
  const { store, partitions, kernel, log } = options;
  let nextId = store.idsBelow;
  let grantedBelow = nextId;
  /** Of the current change. */
  let decided: ReturnType<Holding['decided']>[] = [];

  const add = (entry: ProducerEntry): void => {
    log.add(TableId.KafkaProducers, store.change(entry));
  };

  return {
    get isOpen() {
      return log.refusal() === undefined;
    },
    canMark(parts) {
      const storages = new Set(['journal' as const, ...parts.map(({ partition }) => partition.storage)]);
      // The end of a transaction settles it, and lets readers go on: it does not wait for room on the disk. Where even
      // settlements crowd, a change that is refused would leave its markers behind.
      return !log.isCrowded() && [...storages].every((each) => log.refusal(each) !== 'failed');
    },
    add,
    mark(parts, isCommit) {
      const ended: EndedPart[] = [];
      const nowMs = Math.floor(options.wallMs());
      for (const { partition, producer } of parts) {
        const marker = {
          type: isCommit ? 'commit' : 'abort',
          producerId: producer.producerId,
          producerEpoch: producer.epoch,
          coordinatorEpoch: 0,
        } as const;
        const markerOffset = partitions.appendBatch(partition, buildMarker(kernel, marker, nowMs), {
          isSettlement: true,
        });
        if (typeof markerOffset === 'string') continue;
        const state = store.producersOf(partition);
        const firstOffset = applyMarker(state, marker, markerOffset, nowMs);
        store.logChanged(partition.logId);
        const stableOffset = Math.min(firstOpenOffset(state), markerOffset + 1);
        ended.push({ logId: partition.logId, firstOffset, markerOffset, stableOffset });
        decided.push(options.crossing.decided(partition));
      }
      return ended;
    },
    commit({ level = options.level, isSettlement = false, marked = [], onDurable } = {}) {
      const storage = marked.some(({ partition }) => partition.storage === 'object') ? 'object' : 'journal';
      const below = store.idsBelow;
      const settles = decided;
      decided = [];
      return new Promise((resolve) => {
        const done = (error: Error | undefined): void => {
          for (const settle of settles) settle(error);
          if (error === undefined) {
            grantedBelow = Math.max(grantedBelow, below);
            onDurable?.();
          }
          resolve(error === undefined ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE);
        };
        log.commit(level, done, isSettlement, storage);
      });
    },
    takeId() {
      const id = nextId++;
      if (id >= store.idsBelow) add({ kind: 'ids', below: id + IDS_EACH });
      return id;
    },
    isGranted: (producerId) => producerId < grantedBelow,
  };
}
