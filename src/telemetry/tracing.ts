/**
 * Tracing as protocols see it: which messages are looked at, and spans of the few that are traced. It is handed to them only
 * where there are rules; without any, no message costs anything for it.
 */
import type { TraceContext } from './traceparent.ts';

export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A message, or a batch of them, that has come. */
export interface Arrival {
  readonly protocol: 'mqtt' | 'kafka';
  /** As MQTT writes it. */
  readonly topic: string;
  readonly clientId: string;
  readonly bytes: number;
  /** What the message says of the trace that it is a part of (`traceparent`), as it came. */
  readonly parents: readonly string[];
  readonly attributes?: Attributes;
}

export interface Step {
  /** `fault`: why it came to nothing. */
  end(attributes?: Attributes, fault?: string): void;
}

export type StepName = 'route' | 'append' | 'deliver';

/** What is recorded of one message. Steps may end after it. */
export interface Trace extends Step {
  readonly context: TraceContext;
  step(name: StepName, attributes?: Attributes): Step;
}

export interface Tracing {
  /** A rule may want messages of this client to this topic: nobody decides about those without asking. */
  covers(topic: string, clientId: string): boolean;
  /** A rule names clients, and this is one of them: decisions about its messages are not shared with others. */
  singlesOut(clientId: string): boolean;
  /** Undefined for all that are not traced. */
  begin(arrival: Arrival): Trace | undefined;
  /**
   * Runs `action`, in which what another protocol publishes first is a part of the trace. Nothing that it begins may come
   * later.
   */
  within<T>(trace: Trace, action: () => T): T;
  /** That trace; given once. */
  takeCurrent(): TraceContext | undefined;
}
