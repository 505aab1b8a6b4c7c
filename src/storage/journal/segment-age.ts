import type { Clock } from '../../kernel/clock.ts';
import type { Journal } from './journal.ts';

const MAX_INTERVAL_MS = 60_000;

/**
 * Closes the open segment, if there is anything in it, when it is as old as `ageMs` or up to a minute older: only a closed one
 * is uploaded, or removed. One that was found empty counts as new. Until the returned function is called.
 */
export function closeOldSegments(
  journal: Pick<Journal, 'places' | 'closeSegment' | 'state'>,
  clock: Clock,
  ageMs: number,
): () => void {
  let position = -1;
  let sinceMs = 0;
  const stop = clock.every(Math.min(ageMs, MAX_INTERVAL_MS), () => {
    if (journal.state().failure !== undefined) return stop();
    const open = journal.places().at(-1);
    const nowMs = clock.monotonicMs();
    if (open !== undefined && open.position !== position) {
      position = open.position;
      sinceMs = nowMs;
    } else if (nowMs - sinceMs >= ageMs && !journal.closeSegment()) sinceMs = nowMs;
  });
  return stop;
}
