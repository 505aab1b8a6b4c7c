/** Subscriptions of sessions, and which of them match a topic. */
import { setImmediate as turn } from 'node:timers/promises';
import type { PageRequest } from '../admin/node-view.ts';
import { OperationError } from '../admin/operation.ts';
import type { SubscriptionsView, SubscriptionView } from '../admin/operations/subscriptions.ts';
import type { Subscription } from '../kernel/router.ts';
import { filterMatches } from '../kernel/topic-filter.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';
import { topicNameFault } from '../protocols/mqtt/topic.ts';
import { textOf } from './message-properties.ts';
import { invalidCursor, MAX_PAGE_CHARACTERS, STEP, wholeNumber } from './pages.ts';
import { sessionNamed, shownName } from './session-names.ts';

export const shownSubscription = ({ filter, group, options, identifier }: Subscription) => ({
  filter: group === undefined ? textOf(filter) : `$share/${group}/${textOf(filter)}`,
  qos: options & 3,
  noLocal: (options & 4) !== 0,
  retainAsPublished: (options & 8) !== 0,
  retainHandling: (options >> 4) & 3,
  subscriptionId: identifier === 0 ? null : identifier,
});

/** Of one session that are taken before the broker has its turn. */
const CHUNK = 256;

/** Session number and place among its subscriptions. */
function placeOf(after: string | undefined): [number, number] {
  if (after === undefined) return [0, 0];
  const [session, place, ...rest] = after.split('.');
  if (rest.length > 0) throw invalidCursor();
  return [wholeNumber(session), wholeNumber(place)];
}

interface Question extends PageRequest {
  /** Ascending. */
  readonly sessions: Iterable<number>;
  readonly isWanted: (subscription: Subscription) => boolean;
}

function* numbersBelow(end: number): Iterable<number> {
  for (let number = 0; number < end; number++) yield number;
}

export function subscriptionsView(mqtt: Mqtt): SubscriptionsView {
  const { sessions, router, config } = mqtt;

  async function pageOf({ sessions: numbers, isWanted, limit, after }: Question) {
    const [first, firstPlace] = placeOf(after);
    const items: SubscriptionView[] = [];
    let characters = 0;
    let looked = 0;
    for (const number of numbers) {
      if (number < first) continue;
      if (++looked % STEP === 0) await turn();
      let place = number === first ? firstPlace : 0;
      for (let chunk = CHUNK; chunk === CHUNK; ) {
        const session = sessions.byNumber(number);
        if (session === undefined) break;
        const some = router.subscriptionsOf(number, CHUNK, place);
        chunk = some.length;
        for (const each of some) {
          if (isWanted(each)) {
            if (items.length >= limit || characters >= MAX_PAGE_CHARACTERS) {
              return { items, next: `${number}.${place}` };
            }
            const view = { ...shownName(session), ...shownSubscription(each) };
            items.push(view);
            characters += view.clientId.length + view.filter.length;
          }
          place++;
        }
        if (chunk === CHUNK) await turn();
      }
    }
    return { items };
  }

  return {
    list({ limit, after, clientId, tenant, filter }) {
      const only = clientId === undefined ? undefined : (sessionNamed(mqtt, clientId, tenant)?.number ?? -1);
      const numbers = only === undefined ? numbersBelow(sessions.numbers) : only < 0 ? [] : [only];
      return pageOf({
        limit,
        ...(after === undefined ? {} : { after }),
        sessions: numbers,
        isWanted: (each) => filter === undefined || shownSubscription(each).filter === filter,
      });
    },

    receiving({ limit, after, topic }) {
      const name = Buffer.from(topic);
      const fault = topicNameFault(name, config.mqtt);
      if (fault !== undefined) throw new OperationError(400, 'invalid-topic', `topic: ${fault.message}`);
      const { count, sinks, groups } = router.match(name);
      const numbers = new Set(sinks.subarray(0, count));
      for (const { members } of groups) for (const { sink } of members) numbers.add(sink);
      return pageOf({
        limit,
        ...(after === undefined ? {} : { after }),
        sessions: [...numbers].sort((a, b) => a - b),
        isWanted: ({ filter }) => filterMatches(filter, name),
      });
    },
  };
}
