/** What the modules of the Kafka front-end share. Each field is owned by one folder; who needs more adds a field. */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Crossing } from '../../kernel/crossing/crossing.ts';
import type { Holding } from '../../kernel/crossing/follower.ts';
import type { Partitions } from '../../kernel/log/partitions.ts';
import type { Settings } from '../../kernel/settings-table.ts';
import type { StateLog, Storage } from '../../kernel/state/state-log.ts';
import type { Audit } from '../../security/audit/audit.ts';
import type { Meter } from '../../security/guard/rates.ts';
import type { Principal } from '../../security/security.ts';
import type { Tracing } from '../../telemetry/tracing.ts';
import type { LogKernel } from '../../wasm/log.ts';
import type { ClientMetrics } from './admin/client-metrics.ts';
import type { GroupConfigs } from './admin/group-configs.ts';
import type { Telemetry } from './admin/telemetry.ts';
import type { RecordDelays } from './delay/delay.ts';
import type { FetchSessions } from './fetch/sessions.ts';
import type { Groups } from './groups/groups.ts';
import type { DeadLetters } from './produce/dead-letters.ts';
import type { Producers } from './producers/producers.ts';
import type { Authentication } from './security/authentication.ts';
import type { Authorizer } from './security/authorizer.ts';
import type { Boundary } from './security/boundary.ts';
import type { Security } from './security/security.ts';
import type { Shares } from './share/share.ts';
import type { TopicsConfig } from './topics/configs.ts';
import type { Topics } from './topics/topics.ts';

export type Level = Config['storage']['durability'];

/** This node, which leads everything. */
export interface Broker {
  readonly nodeId: number;
  /** 22 characters, the same for the life of the data directory. */
  readonly clusterId: string;
  /** Rises with every start. */
  readonly leaderEpoch: number;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A connection as handlers see it. */
export interface Caller {
  readonly listener: string;
  readonly remoteAddress: string;
  /** Where this client is to find us: what it dialled, unless configured otherwise. */
  readonly endpoint: Endpoint;
  /** `User:ANONYMOUS` until it has authenticated. */
  principal: string;
  /** undefined until it is somebody: handlers of requests other than those of the log-in see who. */
  identity: Principal | undefined;
  /** What it sends is charged to; undefined: nothing limits it. */
  meter: Meter | undefined;
  readonly authentication: Authentication;
  readonly isClosed: boolean;
  /** Runs when the connection ends, until the returned function is called. */
  onClose(callback: () => void): () => void;
  /** The next request is not looked at before. */
  mute(forMs: number): void;
  /** Closes once earlier answers have left; for what the protocol answers by closing. */
  end(reason: string): void;
}

export interface Kafka {
  /** With what clients have changed since. */
  readonly config: TopicsConfig;
  /** As the node was started. */
  readonly nodeConfig: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  readonly broker: Broker;
  readonly log: StateLog;
  readonly kernel: LogKernel;
  readonly partitions: Partitions;
  readonly topics: Topics;
  readonly producers: Producers;
  readonly fetchSessions: FetchSessions;
  /** Where other protocols hear of records. */
  readonly crossing: Crossing;
  /** Partitions whose records wait for what is decided before. */
  readonly follower: Pick<Holding, 'isHeld' | 'unopened'>;
  /** Records that appear later. */
  readonly delays: RecordDelays;
  /** Records that topics give up. */
  readonly deadLetters: DeadLetters;
  readonly groups: Groups;
  readonly groupConfigs: GroupConfigs;
  readonly shares: Shares;
  /** Asked with a Caller, by each handler, before it does anything. */
  readonly authorizer: Authorizer;
  readonly security: Security;
  /** Between names of clients and those that are kept. */
  readonly boundary: Boundary;
  /** What administrators change is noted there. */
  readonly audit: Pick<Audit, 'change' | 'note'>;
  /** What administrators set for other things than topics. */
  readonly settings: Settings;
  readonly clientMetrics: ClientMetrics;
  readonly telemetry: Telemetry;
  /** Undefined where nothing is traced. */
  readonly tracing: Tracing | undefined;
  /**
   * Ends the current change of the state log; resolves when it, and all before it, is as durable as `level`; with `object` in
   * the object store, too.
   */
  commit(level: Level, storage?: Storage): Promise<void>;
}
