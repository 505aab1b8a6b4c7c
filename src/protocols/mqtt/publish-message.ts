/**
 * A message that has been accepted: kept as retained where it asks for that, appended to the streams that capture its
 * topic, routed; what of it is to last is one change of the journal.
 */
import type { Message } from '../../kernel/message.ts';
import { encodeRetainedDelete, encodeRetainedSet } from '../../kernel/retained-table.ts';
import { TableId } from '../../kernel/state/table.ts';
import type { Mqtt } from './context.ts';
import { capture } from './durable/capture.ts';
import { type Publication, publication } from './durable/publication.ts';
import { Routed, route } from './route.ts';
import type { Session } from './session.ts';

export interface PublishOptions {
  /** Instead of the router, where a flow has the answer. */
  readonly route?: () => Routed;
  /** Adds entries to the change; what it adds makes it one that is waited for. */
  readonly also?: (publication: Publication, routed: Routed) => void;
  /** When all of it is as durable as the topic asks for. `error`: it must not be acknowledged. */
  readonly done?: (routed: Routed, error: Error | undefined) => void;
}

const SYS = Buffer.from('$SYS/');

/**
 * A message to be retained for which there is no room is refused as a whole: its publisher must not believe that
 * later subscribers will get it.
 */
export function publishMessage(
  mqtt: Mqtt,
  message: Message,
  publisher: Session | undefined,
  options: PublishOptions = {},
): Routed {
  let routed: Routed = Routed.Refused;
  const { done } = options;
  publication(
    mqtt,
    message,
    (own) => {
      routed = accept(mqtt, own, publisher, options);
    },
    done && ((error) => done(routed, error)),
  );
  return routed;
}

function accept(
  mqtt: Mqtt,
  own: Publication,
  publisher: Session | undefined,
  options: PublishOptions,
): Routed {
  const { message } = own;
  if (message.retain && !retain(mqtt, own)) return Routed.Refused;
  let routed = options.route === undefined ? route(mqtt, message, publisher) : options.route();
  const captured = capture(mqtt, own, publisher);
  if (captured === 'taken' && routed === Routed.Unmatched) routed = Routed.Delivered;
  // Who is told that it was taken must be able to rely on all who keep it.
  if (captured === 'refused' || (own.refusal !== undefined && own.wasNeeded)) routed = Routed.Refused;
  options.also?.(own, routed);
  return routed;
}

function retain(mqtt: Mqtt, own: Publication): boolean {
  const { message } = own;
  const isVolatile = own.rule.storage === 'memory' || Buffer.compare(message.topic.subarray(0, 5), SYS) === 0;
  if (!isVolatile && own.refusal !== undefined) {
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
  }
  return true;
}
