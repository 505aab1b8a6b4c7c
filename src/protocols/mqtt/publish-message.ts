/**
 * A message that has been accepted: kept as retained where it asks for that, appended to the streams that capture its
 * topic, routed; what of it is to last is one change of the journal.
 */
import type { Change } from '../../kernel/crossing/crossing.ts';
import type { Message } from '../../kernel/message.ts';
import { encodeRetainedDelete, encodeRetainedSet } from '../../kernel/retained-table.ts';
import { TableId } from '../../kernel/state/table.ts';
import type { Mqtt } from './context.ts';
import { capture } from './durable/capture.ts';
import { beginPublication, endPublication, type Publication, type Told } from './durable/publication.ts';
import { route } from './route.ts';
import { Routed } from './routed.ts';
import type { Session } from './session.ts';

export interface PublishOptions extends Told {
  /** Instead of the router: the flow that has the answer. */
  readonly flowId?: number | undefined;
  /** It is for nobody; what else there is to be done about it is done. */
  readonly isForNobody?: boolean;
  /** It is in this stream already. */
  readonly exceptStream?: string;
  /** Adds entries to the change; what it adds makes it one that is waited for. */
  also?(publication: Publication, routed: Routed): void;
}

/** A message that came in by another protocol; the stream of that name has it already. */
export function publishForeign(mqtt: Mqtt, message: Message, exceptStream: string, change?: Change): void {
  const options: PublishOptions = {
    exceptStream,
    ...(change && {
      also(own) {
        change.also();
        own.hasEntries = true;
      },
      done: (_, error) => change.done(error),
    }),
  };
  const { tracing } = mqtt;
  const followed = tracing?.follow({ protocol: 'kafka', clientId: '' }, message, options);
  publishMessage(mqtt, message, undefined, followed ?? options);
}

const NO_OPTIONS: PublishOptions = {};
const SYS = Buffer.from('$SYS/');

/**
 * A message to be retained for which there is no room is refused as a whole: its publisher must not believe that
 * later subscribers will get it.
 */
export function publishMessage(
  mqtt: Mqtt,
  message: Message,
  publisher: Session | undefined,
  options: PublishOptions = NO_OPTIONS,
): Routed {
  const own = beginPublication(mqtt, message);
  try {
    own.routed = accept(mqtt, own, publisher, options);
  } finally {
    endPublication(mqtt, own, options);
  }
  return own.routed;
}

function accept(
  mqtt: Mqtt,
  own: Publication,
  publisher: Session | undefined,
  options: PublishOptions,
): Routed {
  const { message } = own;
  if (message.retain && !retain(mqtt, own, publisher)) return Routed.Refused;
  let routed = routeBy(mqtt, message, publisher, options);
  const captured = capture(mqtt, own, publisher, options.exceptStream);
  if (captured === 'taken' && routed === Routed.Unmatched) routed = Routed.Delivered;
  // Who is told that it was taken must be able to rely on all who keep it.
  if (captured === 'refused' || (own.refusal !== undefined && own.wasNeeded)) routed = Routed.Refused;
  options.also?.(own, routed);
  return routed;
}

function routeBy(
  mqtt: Mqtt,
  message: Message,
  publisher: Session | undefined,
  { flowId, isForNobody }: PublishOptions,
): Routed {
  if (isForNobody === true) return Routed.Unmatched;
  return flowId === undefined
    ? route(mqtt, message, publisher)
    : mqtt.flows.serveHostPart(flowId, message, publisher);
}

function retain(mqtt: Mqtt, own: Publication, publisher: Session | undefined): boolean {
  const { message } = own;
  const isVolatile = own.rule.storage === 'memory' || Buffer.compare(message.topic.subarray(0, 5), SYS) === 0;
  if (!isVolatile && own.refusal !== undefined) {
    mqtt.counters.retainedRefused++;
    return false;
  }
  if (!mqtt.quotas.tryRetain(publisher, message.topic, message.payload.length === 0)) {
    mqtt.counters.retainedRefused++;
    return false;
  }
  const kept = mqtt.retained.set(message, isVolatile);
  if (kept === 'full' || kept === 'too-large') {
    mqtt.counters.retainedRefused++;
    return false;
  }
  if (!isVolatile) {
    const entry = kept === 'removed' ? encodeRetainedDelete(message.topic) : encodeRetainedSet(message);
    mqtt.durable.log.add(TableId.Retained, entry);
    own.hasEntries = true;
    own.isRetained = true;
  }
  return true;
}
