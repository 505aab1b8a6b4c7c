/** Where the events of a stream come from. */
import type { NodeScope } from '../security/authorization/scopes.ts';

export interface FeedItem {
  /** Given back as `Last-Event-ID` by who reads on later. */
  readonly id?: string;
  readonly data: unknown;
}

/** Where the events of one stream come from. It has a bound of its own. */
export interface Feed {
  /** What it may show besides what its operation needs: without one of these scopes it ends. */
  readonly needs?: readonly NodeScope[];
  /** Called once. `ready`: there may be something to take; `over`: there never will be again, and why. */
  start(ready: () => void, over: (reason: string) => void): void;
  take(): FeedItem | undefined;
  /** How many were left out since it was asked last. */
  takeDropped(): number;
  close(): void;
}
