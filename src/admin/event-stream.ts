/**
 * Answers that go on: what happens, as server-sent events. A reader is given what its socket takes, and what it cannot keep up
 * with is dropped by the feed and counted; nothing here grows. A stream ends when the node does, when whoever asked is gone, and
 * within a second of losing the right to it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import type { NodeScope } from '../security/authorization/scopes.ts';
import type { Feed } from './feed.ts';
import { OperationError } from './operation.ts';

export interface EventStreams {
  /** Throws an OperationError where there is no room for one more, or for one more of this user. */
  checkRoom(user: string | undefined): void;
  /** Resolves when it is over, and rejects as `checkRoom` throws. `mayGoOn` is asked every second. */
  serve(
    feed: Feed,
    request: IncomingMessage,
    response: ServerResponse,
    user: string | undefined,
    mayGoOn: (needs: readonly NodeScope[]) => Promise<boolean>,
  ): Promise<void>;
  /** Ends all, and lets none begin. */
  close(): void;
  readonly count: number;
}

export interface EventStreamsOptions {
  readonly clock: Clock;
  readonly maxStreams?: number;
  /** Who may open the control socket is one user. */
  readonly maxStreamsPerUser?: number;
}

const MAX_STREAMS = 64;
const MAX_STREAMS_PER_USER = 16;
/** Of one reader, in its socket. */
export const MAX_LAG_BYTES = 256 * 1024;
const CHUNK_CHARACTERS = 64 * 1024;
const CHECK_MS = 1000;
const HEARTBEAT_CHECKS = 15;
/** Whose socket has taken nothing for so long is not waited for. */
const MAX_STALLED_CHECKS = 60;
const LINE_ENDS = /[\r\n]/g;

export function createEventStreams({
  clock,
  maxStreams = MAX_STREAMS,
  maxStreamsPerUser = MAX_STREAMS_PER_USER,
}: EventStreamsOptions): EventStreams {
  /** What ends it, and whose it is. */
  const open = new Map<(reason: string) => void, string | undefined>();
  let isClosed = false;

  const checkRoom = (user: string | undefined): void => {
    if (isClosed) throw new OperationError(503, 'stopping', 'the broker is stopping');
    if (open.size >= maxStreams) {
      throw new OperationError(503, 'too-many-streams', `at most ${maxStreams} streams are served at a time`);
    }
    const own = [...open.values()].filter((each) => each === user).length;
    if (own >= maxStreamsPerUser) {
      const message = `at most ${maxStreamsPerUser} streams of one user are served at a time`;
      throw new OperationError(429, 'too-many-streams', message);
    }
  };

  return {
    checkRoom,
    get count() {
      return open.size;
    },
    serve: (feed, request, response, user, mayGoOn) =>
      new Promise((resolve, reject) => {
        try {
          checkRoom(user);
        } catch (error) {
          feed.close();
          reject(error as Error);
          return;
        }
        response.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          // Proxies that gather answers before they pass them on are asked not to.
          'x-accel-buffering': 'no',
        });
        if (request.method === 'HEAD' || response.destroyed) {
          response.end();
          feed.close();
          resolve();
          return;
        }
        let isOver = false;
        let isScheduled = false;
        let isChecking = false;
        let checks = 0;
        let stalledChecks = 0;

        const release = (): void => {
          if (isOver) return;
          isOver = true;
          open.delete(end);
          stopChecking();
          feed.close();
          resolve();
        };
        const end = (reason: string): void => {
          if (isOver) return;
          response.end(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
          release();
        };
        const hasRoom = (): boolean => response.writableLength < MAX_LAG_BYTES;
        const pump = (): void => {
          isScheduled = false;
          if (isOver || !hasRoom()) return;
          const { text, isAll } = nextText(feed);
          if (text !== '') response.write(text);
          if (!isAll) schedule();
        };
        // Once a turn, for all that comes until then.
        const schedule = (): void => {
          if (isScheduled || isOver) return;
          isScheduled = true;
          setImmediate(pump);
        };
        const check = async (): Promise<void> => {
          if (isChecking) return;
          isChecking = true;
          const isAllowed = await mayGoOn(feed.needs ?? []).catch(() => false);
          isChecking = false;
          if (!isAllowed) end('not allowed any more');
        };
        const stopChecking = clock.every(CHECK_MS, () => {
          stalledChecks = hasRoom() ? 0 : stalledChecks + 1;
          if (stalledChecks >= MAX_STALLED_CHECKS) {
            response.destroy();
            return;
          }
          if (++checks % HEARTBEAT_CHECKS === 0 && hasRoom()) response.write(': \n\n');
          void check();
        });
        open.set(end, user);
        response.once('close', release);
        response.on('drain', schedule);
        response.write('retry: 1000\n\n');
        feed.start(schedule, end);
        schedule();
      }),
    close() {
      isClosed = true;
      for (const end of [...open.keys()]) end('the broker is stopping');
    },
  };
}

function nextText(feed: Feed): { readonly text: string; readonly isAll: boolean } {
  let text = '';
  while (text.length < CHUNK_CHARACTERS) {
    const item = feed.take();
    const dropped = feed.takeDropped();
    if (dropped > 0) text += `event: dropped\ndata: ${JSON.stringify({ dropped })}\n\n`;
    if (item === undefined) return { text, isAll: true };
    if (item.id !== undefined) text += `id: ${item.id.replace(LINE_ENDS, '')}\n`;
    // JSON has no line end in it.
    text += `data: ${JSON.stringify(item.data)}\n\n`;
  }
  return { text, isAll: false };
}
