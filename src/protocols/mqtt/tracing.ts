/**
 * Spans of messages of MQTT: where one begins and ends, from the PUBLISH, or the record of another protocol, to deliveries that
 * have left. Made only where there are rules of tracing; messages that none of them covers do not come here.
 */
import type { Message } from '../../kernel/message.ts';
import { userProperty } from '../../kernel/user-properties.ts';
import type { TraceHub } from '../../telemetry/trace-hub.ts';
import { formatTraceparent } from '../../telemetry/traceparent.ts';
import type { Arrival, Step, Trace, Tracing } from '../../telemetry/tracing.ts';
import type { Mqtt } from './context.ts';
import { hasBacklog } from './deliver.ts';
import type { Publication } from './durable/publication.ts';
import type { PublishOptions } from './publish-message.ts';
import { targetsOf } from './route.ts';
import { Routed } from './routed.ts';
import { type Session, writtenClientId } from './session.ts';

export interface MqttTracing {
  covers(topic: Uint8Array, clientId: string): boolean;
  singlesOut(clientId: string): boolean;
  /** What to publish it with: the same options, where the message is not traced. */
  follow(
    arrival: Pick<Arrival, 'protocol' | 'clientId' | 'attributes'>,
    message: Message,
    options: PublishOptions,
  ): PublishOptions;
  /** Output of the turn has been handed to the transports. */
  written(): void;
}

const TRACEPARENT = Buffer.from('traceparent');
const OUTCOMES: Readonly<Record<Routed, string>> = {
  [Routed.Delivered]: 'delivered',
  [Routed.Unmatched]: 'no subscribers',
  [Routed.Refused]: 'refused',
};
/** Deliveries of one message that have spans of their own. */
const MAX_DELIVERIES = 16;
/** Deliveries that wait for windows of subscribers, of all messages. */
const MAX_WAITING = 1000;
const LONGEST_MS = 60_000;

interface Waiting {
  readonly session: Session;
  readonly seq: number;
  readonly step: Step;
  readonly startedMs: number;
}

function createMqttTracing(mqtt: Mqtt, tracing: Tracing): MqttTracing {
  const { clock } = mqtt;
  /** Put out in this turn. */
  let leaving: Step[] = [];
  let waiting: Waiting[] = [];

  function arrivalOf(
    known: Pick<Arrival, 'protocol' | 'clientId' | 'attributes'>,
    { topic, payload, properties }: Message,
  ): Arrival {
    const said = userProperty(properties, TRACEPARENT);
    const outer = tracing.takeCurrent();
    const parents =
      said !== undefined
        ? [Buffer.from(said).toString('latin1')]
        : outer === undefined
          ? []
          : [formatTraceparent(outer)];
    return { ...known, topic: Buffer.from(topic).toString('utf8'), bytes: payload.length, parents };
  }

  const deliverTo = (trace: Trace, session: Session): Step =>
    trace.step('deliver', { 'messaging.client.id': writtenClientId(session) });

  /** Sessions that the journal keeps it for: each delivery is followed until it has left. */
  function followKept(trace: Trace, { sessions, seqs }: Publication): void {
    for (const [i, session] of sessions.entries()) {
      if (i === MAX_DELIVERIES) return;
      const step = deliverTo(trace, session);
      if (session.connection === undefined) step.end({ 'robustmq.delivery': 'waits for the client' });
      else if (waiting.length < MAX_WAITING) {
        waiting.push({ session, seq: seqs[i] as number, step, startedMs: clock.monotonicMs() });
      }
    }
  }

  /** The others were given it while it was routed. */
  function followDirect(trace: Trace, { message, sessions }: Publication): number {
    const targets = targetsOf(mqtt, mqtt.router.match(message.topic));
    for (const { sink } of targets.slice(0, MAX_DELIVERIES)) {
      const session = mqtt.sessions.byNumber(sink);
      if (session === undefined || sessions.includes(session)) continue;
      const step = deliverTo(trace, session);
      if (session.connection === undefined) step.end({}, 'the client is away');
      else if (hasBacklog(session)) step.end({ 'robustmq.delivery': 'queued' });
      else leaving.push(step);
    }
    return targets.length;
  }

  function traced(trace: Trace, options: PublishOptions): PublishOptions {
    const route = trace.step('route');
    let append: Step | undefined;
    return {
      ...(options.flowId === undefined ? {} : { flowId: options.flowId }),
      ...(options.isForNobody === undefined ? {} : { isForNobody: options.isForNobody }),
      ...(options.exceptStream === undefined ? {} : { exceptStream: options.exceptStream }),
      also(own, routed) {
        options.also?.(own, routed);
        const subscribers = routed === Routed.Delivered ? followDirect(trace, own) : 0;
        route.end({ 'robustmq.outcome': OUTCOMES[routed], 'robustmq.subscribers': subscribers });
        followKept(trace, own);
        const isKept = own.slot >= 0 || own.hasEntries || own.streamLevel !== undefined;
        if (isKept) {
          append = trace.step('append', {
            'robustmq.sessions': own.sessions.length,
            'robustmq.captured': own.streamLevel !== undefined,
          });
        }
        mqtt.turn.wake();
      },
      done(routed, error) {
        const fault = error?.message;
        route.end({ 'robustmq.outcome': OUTCOMES[routed] });
        append?.end({}, fault);
        trace.end({ 'robustmq.outcome': OUTCOMES[routed] }, fault);
        options.done?.(routed, error);
      },
    };
  }

  /** True = it is not followed any longer. */
  function isOver({ session, seq, step, startedMs }: Waiting): boolean {
    const { durable, connection, ended } = session;
    if (durable === undefined || connection === undefined || ended) {
      step.end({ 'robustmq.delivery': 'waits for the client' });
      return true;
    }
    if (durable.sentTo > seq) {
      step.end();
      return true;
    }
    if (clock.monotonicMs() - startedMs < LONGEST_MS) return false;
    step.end({ 'robustmq.delivery': 'waits for the window of the client' });
    return true;
  }

  return {
    covers: (topic, clientId) => tracing.covers(Buffer.from(topic).toString('utf8'), clientId),
    singlesOut: (clientId) => tracing.singlesOut(clientId),
    follow(arrival, message, options) {
      const trace = tracing.begin(arrivalOf(arrival, message));
      return trace === undefined ? options : traced(trace, options);
    },
    written() {
      if (leaving.length > 0) {
        for (const step of leaving) step.end();
        leaving = [];
      }
      if (waiting.length > 0) waiting = waiting.filter((each) => !isOver(each));
    },
  };
}

/** Gives it to `use` while somebody looks: where nobody does there is nothing to ask. */
export function followTraces(
  mqtt: Mqtt,
  hub: TraceHub | undefined,
  use: (tracing: MqttTracing | undefined) => void,
): void {
  const traced = hub && createMqttTracing(mqtt, hub);
  const look = (): void => use(hub?.isActive === true ? traced : undefined);
  look();
  hub?.follow(() => {
    look();
    mqtt.access.reclassify();
  });
}
