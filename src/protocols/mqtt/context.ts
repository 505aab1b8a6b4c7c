/** What the modules of the MQTT front-end share: the tiers below and each other, built once in front-end.ts. */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { ClientEvents } from '../../events/client-events.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { RetainedStore } from '../../kernel/retained.ts';
import type { Router } from '../../kernel/router.ts';
import type { SharedGroup } from '../../kernel/shared-group.ts';
import type { TimerWheel } from '../../kernel/timer-wheel.ts';
import type { DataPlane } from '../../wasm/data-plane.ts';
import type { Authenticator, AuthMethod, Authorizer, Gate } from './auth.ts';
import type { CodecLimits } from './codec/packets.ts';
import type { Congestion } from './congestion.ts';
import type { Connection } from './connection.ts';
import type { Counters } from './counters.ts';
import type { DeliveryTimes } from './delivery-times.ts';
import type { StreamCapture } from './durable/capture.ts';
import type { Durable } from './durable/durable.ts';
import type { Flows } from './flows.ts';
import type { Output } from './output.ts';
import type { Policies } from './policies.ts';
import type { PublishEncoder } from './publish-encoder.ts';
import type { Access } from './security/access.ts';
import type { SessionQuotas } from './security/quotas.ts';
import type { Session } from './session.ts';
import type { SessionRegistry } from './session-registry.ts';
import type { MqttTracing } from './tracing.ts';
import type { Turn } from './turn.ts';

export interface Mqtt {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly dataPlane: DataPlane;
  readonly router: Router;
  readonly retained: RetainedStore;
  readonly authenticator: Authenticator;
  readonly authMethods: ReadonlyMap<string, AuthMethod>;
  readonly authorizer: Authorizer;
  readonly gate: Gate | undefined;
  readonly access: Access;
  readonly quotas: SessionQuotas;

  readonly codecLimits: CodecLimits;
  readonly timers: TimerWheel;
  readonly turn: Turn;
  readonly counters: Counters;
  /** Input that is kept of those who have not been let in. */
  readonly strangers: { bytes: number };
  readonly events: ClientEvents;
  readonly deliveryTimes: DeliveryTimes;
  /** Undefined where nothing is traced. */
  readonly tracing: MqttTracing | undefined;
  readonly sessions: SessionRegistry;
  /** By slot. */
  readonly connections: (Connection | undefined)[];
  readonly output: Output;
  readonly encoder: PublishEncoder;
  readonly flows: Flows;
  readonly durable: Durable;
  readonly policies: Policies;
  readonly streams: StreamCapture;
  readonly congestion: Congestion;
  /** Number of the current tick of the wheel: the unit of `lastSeen`. */
  tick(): number;
  /** Sends what waits for a session, as far as there is room. */
  pump(session: Session): void;
  /** The same at the end of the turn, once for all that comes until then. */
  wake(session: Session): void;
  /** There may be something that a shared group can give out. */
  wakeGroup(group: SharedGroup): void;
  /** Handles input that was kept while the connection was stalled. */
  continueInput(connection: Connection): void;
  /** Ends a connection at the end of the turn: for what is found out while a message is being routed. */
  fail(connection: Connection, reasonCode: number): void;
  /** Runs something on behalf of a connection; an exception is a bug of ours and costs that connection only. */
  guard(connection: Connection, action: () => void): void;
}

/** What the wheel's timers mean; `key` is a slot or a session number. */
export const TimerKind = {
  /** Time to CONNECT, and after a close time for the last output to leave. Key: slot. */
  Deadline: 1,
  KeepAlive: 2,
  PartialPacket: 3,
  Write: 4,
  /** Key: session number. */
  SessionExpiry: 5,
  WillDelay: 6,
  /** Key: slot. */
  Credential: 7,
  Rate: 8,
} as const;

/** Sets a timer; 0 when the wheel is full, which is counted: the deadline is then not enforced. */
export function startTimer(mqtt: Mqtt, delayMs: number, kind: number, key: number): number {
  const handle = mqtt.timers.schedule(delayMs, kind, key);
  if (handle === 0) mqtt.counters.timersRefused++;
  return handle;
}
