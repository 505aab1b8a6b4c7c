/**
 * Composition root: builds the tiers of one node from its configuration, starts them in order and stops them in
 * reverse. Nothing else constructs a tier, and nothing here knows a protocol's rules.
 */
import type { Logger } from 'pino';
import type { Config } from './config/config.ts';
import type { Clock } from './kernel/clock.ts';

export type ListenerAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface RunningListener {
  /** Key of the listener in the configuration, e.g. `mqtt`. */
  readonly name: string;
  readonly address: ListenerAddress;
}

export interface RunningNode {
  readonly listeners: readonly RunningListener[];
  /** Graceful: clients are told, what is written is flushed, then sockets close. Idempotent. */
  stop(): Promise<void>;
  /** Reads certificates again; connections stay. Rejects, with the old ones in use, when they do not load. */
  reload(): Promise<void>;
}

export interface NodeDependencies {
  readonly logger: Logger;
  readonly clock: Clock;
}

export async function startNode(config: Config, { logger }: NodeDependencies): Promise<RunningNode> {
  logger.debug({ node: config.node.name }, 'no tier is wired');
  return { listeners: [], stop: async () => {}, reload: async () => {} };
}
