/**
 * When pages are written: snapshot cycles when the journal has grown by more than they cost, checkpoints of the views
 * by the same rule, one at a time. What fails here fails nobody else: the journal has everything.
 */
import type { KvStore } from '../../storage/kv/kv-store.ts';
import { ChangeRefused } from './errors.ts';
import type { CycleSummary } from './frame-format.ts';
import type { Pacer } from './pacer.ts';
import type { PageWriting } from './page-slices.ts';
import type { Start } from './recovery.ts';
import { runCycle } from './snapshot-cycle.ts';
import type { LiveSource, StateLogger, StateLogLimits } from './state-log.ts';
import { checkpointViews, type ViewsHead } from './views.ts';

export interface MaintenanceOptions {
  readonly writing: PageWriting;
  readonly pacer: Pacer;
  readonly kv: KvStore | undefined;
  readonly start: Start;
  /** Of the journal. */
  readonly journalStart: number;
  readonly isReplayed: boolean;
  readonly limits: Pick<StateLogLimits, 'checkpointBytes' | 'checkpointJournalBytes' | 'cycleBytes'>;
  readonly logger: StateLogger | undefined;
  /** A failed state log has nothing to write pages of. */
  readonly hasFailed: () => boolean;
}

export interface Maintenance {
  /** Begins what is due. Cheap. */
  look(): void;
  checkpoint(): Promise<void>;
  cycle(): Promise<void>;
  /** Where the replay on top of the newest complete views would start. */
  viewsPosition(): number | undefined;
  /** Stops what runs, and writes the views. */
  close(): Promise<void>;
  readonly source: LiveSource;
}

export function createMaintenance(options: MaintenanceOptions): Maintenance {
  const { writing, pacer, start, isReplayed, limits, logger } = options;
  let { kv } = options;
  let cycle: CycleSummary | undefined = start.cycle;
  let views: ViewsHead | undefined = start.views;
  let viewBytes = 0;
  /** Of what was to be replayed when the last checkpoint began; what a start has replayed itself counts whole. */
  let replayBefore = Math.min(0, (views?.position ?? options.journalStart) - writing.end());
  /** Where the state log ended when the views were complete. */
  let viewsEnd = -1;
  let running: Promise<void> | undefined;
  let isClosing = false;
  let marksFrom = options.journalStart;
  /** No automatic cycle before the journal has grown this far: after one that failed. */
  let cycleNotBefore = 0;

  const hasGrown = (since: number, least: number, cost: number): boolean =>
    writing.end() - since > Math.max(least, 2 * cost);
  const isCycleDue = (): boolean =>
    isReplayed &&
    writing.end() >= cycleNotBefore &&
    hasGrown(cycle?.begin ?? options.journalStart, limits.cycleBytes, cycle?.bytes ?? 0);
  const isCheckpointDue = (): boolean =>
    kv !== undefined &&
    (writing.replayBytes() - replayBefore > Math.max(limits.checkpointBytes, viewBytes) ||
      hasGrown(views?.position ?? options.journalStart, limits.checkpointJournalBytes, viewBytes / 2));

  /** Without views nobody else takes the marks, which would be kept for all that ever changed. */
  function dropMarks(): void {
    for (const table of writing.tables) table.takeDirty(Number.MAX_SAFE_INTEGER);
    marksFrom = writing.end();
  }

  async function makeCheckpoint(): Promise<void> {
    if (kv === undefined || options.hasFailed() || writing.end() === viewsEnd) return;
    const replayNow = writing.replayBytes();
    try {
      const made = await checkpointViews(kv, writing, views, cycle);
      views = made.head;
      viewBytes = made.bytes;
      replayBefore = replayNow;
      viewsEnd = writing.end();
    } catch (error) {
      if (options.hasFailed()) return;
      // Changed pages were taken and not written: from now on a checkpoint would have to write all.
      views = undefined;
      if (error instanceof ChangeRefused) return;
      kv = undefined;
      logger?.error({ err: error }, 'the views cannot be written: a start has more to replay from now on');
    }
  }

  async function makeCycle(): Promise<void> {
    if (options.hasFailed()) return;
    cycleNotBefore = writing.end() + limits.cycleBytes;
    try {
      const made = await runCycle(writing, () => isClosing);
      if (made === undefined) return;
      cycle = made;
    } catch (error) {
      if (options.hasFailed()) return;
      logger?.error(
        { err: error },
        'a snapshot of the tables failed: the journal is kept until one succeeds',
      );
      return;
    }
    // Views from before the cycle are worth nothing once the journal is removed below it.
    await makeCheckpoint();
  }

  async function run(work: () => Promise<void>): Promise<void> {
    while (running !== undefined) await running;
    running = work().finally(() => {
      running = undefined;
    });
    await running;
  }

  return {
    look() {
      if (running !== undefined || isClosing || options.hasFailed()) return;
      if (kv === undefined && hasGrown(marksFrom, limits.checkpointBytes, 0)) dropMarks();
      if (isCycleDue()) void run(makeCycle);
      else if (isCheckpointDue()) void run(makeCheckpoint);
    },
    checkpoint: () => run(makeCheckpoint),
    cycle: () => run(makeCycle),
    viewsPosition: () => views?.position,
    async close() {
      isClosing = true;
      pacer.release();
      while (running !== undefined) await running;
      await makeCheckpoint();
    },
    source: {
      name: 'state',
      /**
       * A segment that reaches behind the begin of the newest cycle is all needed: it is dead after the next one. Where
       * nothing is replayed, only what no table knows yet is needed.
       */
      liveBytes(from, to) {
        const needed = isReplayed ? cycle?.begin : writing.end();
        return needed === undefined || to > needed ? to - from : 0;
      },
      async evacuate() {},
    },
  };
}
