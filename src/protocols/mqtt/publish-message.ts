/** A message that has been accepted: kept as retained where it asks for that, then routed. */
import type { Message } from '../../kernel/message.ts';
import type { Mqtt } from './context.ts';
import { Routed, route } from './route.ts';
import type { Session } from './session.ts';

/**
 * A message to be retained for which there is no room is refused as a whole: its publisher must not believe that
 * later subscribers will get it.
 */
export function publishMessage(mqtt: Mqtt, message: Message, publisher: Session | undefined): Routed {
  if (message.retain) {
    const kept = mqtt.retained.set(message);
    if (kept === 'full' || kept === 'too-large') {
      mqtt.counters.retainedRefused++;
      return Routed.Refused;
    }
  }
  return route(mqtt, message, publisher);
}
