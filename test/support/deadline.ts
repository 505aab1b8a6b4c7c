/**
 * A time limit of a test's own, below the runner's: what takes too long fails while everything that could say why is still there. What
 * it throws begins as the runner's own message does.
 */
import { setTimeout as delay } from 'node:timers/promises';

const ANSWER_MS = 2000;
const TICK_MS = 20;

/** `describe` says how far things have come, and `ask` what somebody says of it who may not answer any more. */
export async function withDeadline(
  timeoutMs: number,
  { describe, ask }: { describe(): string; ask?(): Promise<string> },
  body: () => Promise<void>,
): Promise<void> {
  // A process that was stopped, or got no CPU, is another matter than a peer that does not answer.
  let tickedMs = performance.now();
  let longestStallMs = 0;
  const ticks = setInterval(() => {
    const nowMs = performance.now();
    longestStallMs = Math.max(longestStallMs, nowMs - tickedMs - TICK_MS);
    tickedMs = nowMs;
  }, TICK_MS);
  const done = new AbortController();
  const late = async (): Promise<void> => {
    await delay(timeoutMs, undefined, { signal: done.signal });
    const stall = `This process stood still for ${Math.round(longestStallMs)} ms at most.`;
    const description = describe();
    const answer = await Promise.race([ask?.(), delay(ANSWER_MS, 'who is asked does not answer')]).catch(
      String,
    );
    throw new Error(`Test timed out in ${timeoutMs}ms. ${stall}\n${description}\n${answer ?? ''}`);
  };
  const running = body();
  const watching = late();
  try {
    await Promise.race([running, watching]);
  } finally {
    done.abort();
    clearInterval(ticks);
    // Whichever of them lost.
    running.catch(() => undefined);
    watching.catch(() => undefined);
  }
}
