/**
 * The audit log: who did what to the broker, from where, and what became of it. Lines of JSON in files that only their owner
 * reads, durable before the answer that they are about. Here are entries, their files, and reading them; which operations are
 * noted, and what of their input is secret, is said by the table of operations.
 *
 * Guaranteed: entries are never changed, and end up in the order of their sequence numbers; a change that cannot be noted is
 * not made, unless the configuration says otherwise; a failure is an alarm until an entry is durable again; each entry carries
 * the hash of the one before, so that what was changed or taken out between others is found.
 */
import type { Clock } from '../../kernel/clock.ts';
import { type ChainHead, chained, GENESIS, hashOfLine } from './chain.ts';
import { type AuditEvent, encodeEntry } from './entry.ts';
import { type AuditFilesOptions, openAuditFiles } from './files.ts';
import { openHeadFile, readHead } from './head-file.ts';
import { type AuditFilter, type AuditPage, lastEntry, readAudit } from './read.ts';
import { type AuditVerification, verifyAudit } from './verify.ts';

export interface AuditConfig {
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  /** What becomes of a change that cannot be noted. */
  readonly onFailure: 'refuse' | 'continue';
}

export interface AuditOptions {
  /** Of the log alone. */
  readonly directory: string;
  readonly config: AuditConfig;
  readonly clock: Clock;
  readonly openFile?: AuditFilesOptions['openFile'];
  /** Told when the last entry that was durable before is not there, or is another one. */
  readonly onMissing?: (noted: ChainHead) => void;
}

/** A change was not made, because it could not be noted. */
export class AuditUnavailable extends Error {
  override readonly name = 'AuditUnavailable';
}

export type Outcome = Pick<AuditEvent, 'result' | 'reason'>;

export interface Audit {
  /** True when it is durable; never rejects. */
  note(event: AuditEvent): Promise<boolean>;
  /**
   * Notes that a change begins, makes it, and notes its outcome, which `outcomeOf` knows of what it returned. Rejects with
   * AuditUnavailable before anything was done, or with what `change` rejects with.
   */
  change<T>(
    event: Omit<AuditEvent, 'result' | 'reason' | 'durationMs' | 'change'>,
    change: () => Promise<T>,
    outcomeOf?: (value: T) => Outcome,
  ): Promise<T>;
  /** undefined where the cursor is none of ours. */
  read(
    request: AuditFilter & { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<AuditPage | undefined>;
  /** Goes through all of it, one at a time; `expected` is an entry whose hash was noted elsewhere. */
  verify(expected?: ChainHead): Promise<AuditVerification>;
  /** The last durable entry: what to note elsewhere. */
  head(): ChainHead;
  /** undefined: entries are durable. */
  failure(): Error | undefined;
  /** Told of the first failure and of its end. */
  onAlarm(listener: (failure: Error | undefined) => void): () => void;
  /** Told of each entry, the beginnings of changes apart; what it is told may not be durable yet. Returns how to stop it. */
  onEntry(listener: (event: AuditEvent) => void): () => void;
  counters(): { readonly written: number; readonly lost: number };
  /** After what is on its way. */
  close(): Promise<void>;
}

const MAX_PENDING = 4096;
const MAX_BATCH = 512;

interface Pending {
  readonly sequence: number;
  /** Without the hash of the one before, which is known when it is written. */
  readonly line: Buffer;
  readonly done: (isDurable: boolean) => void;
}

export async function openAudit(options: AuditOptions): Promise<Audit> {
  const { directory, config, clock, openFile, onMissing } = options;
  const { maxFileBytes, maxFiles, onFailure } = config;
  const files = await openAuditFiles({ directory, maxFileBytes, maxFiles, openFile });
  const newest = (await lastEntry(files)) ?? GENESIS;
  const noted = (await readHead(directory)) ?? GENESIS;
  // What was durable and is not there any more is missed for ever: the chain goes on behind it, not behind what is left.
  let head = noted.sequence >= newest.sequence ? noted : newest;
  let { sequence } = head;
  if (head === noted && head.hash !== newest.hash) onMissing?.(noted);
  const headFile = openHeadFile(directory);
  let pending: Pending[] = [];
  let writing: Promise<void> | undefined;
  let verifying: Promise<unknown> = Promise.resolve();
  let failure: Error | undefined;
  let written = 0;
  let lost = 0;
  let isClosed = false;
  const listeners = new Set<(failure: Error | undefined) => void>();
  const entryListeners = new Set<(event: AuditEvent) => void>();

  const alarm = (error: Error | undefined): void => {
    const isNews = (error === undefined) !== (failure === undefined);
    failure = error;
    if (isNews) for (const listener of listeners) listener(error);
  };

  const writeBatches = async (): Promise<void> => {
    while (pending.length > 0) {
      const batch = pending.slice(0, MAX_BATCH);
      pending = pending.slice(MAX_BATCH);
      let error: Error | undefined;
      let reached = head;
      const lines = batch.map((each) => {
        const line = chained(each.line, reached.hash);
        reached = { sequence: each.sequence, hash: hashOfLine(line) };
        return line;
      });
      try {
        await files.append(lines);
        written += batch.length;
        head = reached;
        await headFile.note(head);
      } catch (reason) {
        error = reason instanceof Error ? reason : new Error(String(reason));
        lost += batch.length;
      }
      alarm(error);
      for (const { done } of batch) done(error === undefined);
    }
    writing = undefined;
  };

  const add = (event: AuditEvent): { readonly sequence: number; readonly isDurable: Promise<boolean> } => {
    if (event.result !== 'begun') for (const listener of entryListeners) listener(event);
    if (isClosed || pending.length >= MAX_PENDING) {
      lost++;
      alarm(new Error(isClosed ? 'the audit log is closed' : 'too many entries wait to be written'));
      return { sequence: 0, isDurable: Promise.resolve(false) };
    }
    const own = ++sequence;
    const line = encodeEntry({ ...event, sequence: own, atMs: clock.wallMs() });
    const isDurable = new Promise<boolean>((resolve) => pending.push({ sequence: own, line, done: resolve }));
    writing ??= Promise.resolve().then(writeBatches);
    return { sequence: own, isDurable };
  };

  return {
    note: (event) => add(event).isDurable,
    async change(event, change, outcomeOf = () => ({ result: 'ok' })) {
      const begun = add({ ...event, result: 'begun' });
      if (!(await begun.isDurable) && onFailure === 'refuse') {
        throw new AuditUnavailable('not done: it could not be written to the audit log', { cause: failure });
      }
      const startMs = clock.monotonicMs();
      const end = async (outcome: Outcome): Promise<void> => {
        const durationMs = Math.round(clock.monotonicMs() - startMs);
        await add({ ...event, ...outcome, durationMs, change: begun.sequence }).isDurable;
      };
      let value: Awaited<ReturnType<typeof change>>;
      try {
        value = await change();
      } catch (error) {
        await end({ result: 'failed', reason: error instanceof Error ? error.name : 'unknown' });
        throw error;
      }
      await end(outcomeOf(value));
      return value;
    },
    read: (request) => readAudit(files, request),
    verify(expected) {
      const before = verifying;
      const next = before.then(() => verifyAudit({ files, head, expected }));
      verifying = next.catch(() => undefined);
      return next;
    },
    head: () => head,
    failure: () => failure,
    onAlarm(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onEntry(listener) {
      entryListeners.add(listener);
      return () => entryListeners.delete(listener);
    },
    counters: () => ({ written, lost }),
    async close() {
      isClosed = true;
      await writing;
      await files.close();
      await headFile.close();
    },
  };
}
