/** What connections of the Kafka front-end share. */
import type { ClientEvents } from '../../events/client-events.ts';
import type { Transport } from '../../net/transport.ts';
import type { Endpoint, Kafka } from './context.ts';
import type { RequestMemory } from './request-memory.ts';
import type { RequestTimes } from './request-times.ts';
import type { WireWriter } from './schema/writer.ts';

/** `C`: connections, of which it knows nothing. */
export interface ConnectionHost<C> {
  readonly kafka: Kafka;
  readonly window: Uint8Array;
  readonly writer: WireWriter;
  readonly memory: RequestMemory;
  readonly events: ClientEvents;
  readonly limits: {
    readonly maxRequestBytes: number;
    /** Requests of one connection that wait for their commits. */
    readonly maxPipelined: number;
    /** Output above which no further request is run. */
    readonly maxOutputBytes: number;
  };
  endpointOf(transport: Transport): Endpoint;
  nextNumber(): number;
  /** True when nothing is to be appended now; the connection is continued later. */
  holdsProduce(connection: C): boolean;
  readonly times: RequestTimes;
  /** Memory of requests has changed; false when there is no room for it. */
  account(deltaBytes: number): boolean;
  closed(connection: C): void;
}
