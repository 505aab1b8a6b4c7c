/** What has happened on the node: looked back at, and followed. */
import { EVENT_KINDS, type EventFilter, type EventKind } from '../../events/event.ts';
import type { NodeScope } from '../../security/authorization/scopes.ts';
import type { Caller } from '../caller.ts';
import type { Feed } from '../feed.ts';
import type { Page, PageRequest } from '../node-view.ts';
import {
  OperationError,
  operation,
  pageOf,
  pageRequest,
  paging,
  same,
  shownPage,
  streamOperation,
} from '../operation.ts';
import { type Infer, integer, nullable, object, oneOf, string } from '../schema.ts';

const text = (description: string) => nullable(string(description));

export const eventView = object({
  sequence: integer('Its number since the broker started; a later event has a higher one.'),
  atMs: integer('When.'),
  kind: oneOf(EVENT_KINDS, 'What.'),
  protocol: text('Protocol of the client.'),
  listener: text('Listener of the client.'),
  address: text('Where the client, or the administrator, comes from.'),
  clientId: text('Client identifier, cut where it is very long.'),
  user: text('User, who was let in under that name.'),
  tenant: text('Tenant, whose client it is.'),
  subject: text('What it was about where that is no client: a filter, an alarm, an operation, a key.'),
  reason: text('Why, or what came of it.'),
});
export type EventView = Infer<typeof eventView>;

export interface EventsView {
  page(filter: EventFilter, request: PageRequest): Page<EventView>;
  /** `after`: the identifier of an event that was read last; `last`: how many old ones come first where that is missing. */
  follow(filter: EventFilter, from: { readonly after?: string | undefined; readonly last: number }): Feed;
}

/** Kinds that tell what other lists tell, and need the scope of those besides. */
const OWN_SCOPES: Readonly<Partial<Record<EventKind, NodeScope>>> = {
  administration: 'audit:read',
  'config.reloaded': 'config:read',
  'ban.set': 'bans:read',
};

const conditions = {
  kinds: string(
    `Only these kinds, with commas: ${EVENT_KINDS.join(', ')}. A part before the dot is all of it.`,
    {
      maxLength: 1024,
    },
  ),
  client: string('Only of this client identifier.', { maxLength: 65_535 }),
  user: string('Only of this user.', { maxLength: 1024 }),
  tenant: string('Only of this tenant.', { maxLength: 63 }),
};

interface Conditions {
  readonly kinds?: string;
  readonly client?: string;
  readonly user?: string;
  readonly tenant?: string;
}

function wantedKinds(kinds: string): EventKind[] {
  return kinds.split(',').flatMap((word) => {
    const fitting = EVENT_KINDS.filter((kind) => kind === word || kind.split('.')[0] === word);
    if (fitting.length > 0) return fitting;
    throw new OperationError(
      400,
      'invalid-input',
      `there are no events of the kind ${JSON.stringify(word)}; there are ${EVENT_KINDS.join(', ')}`,
    );
  });
}

/** Kinds that nobody named are left out where the caller may not see them; those that were named are refused. */
function filterOf({ kinds, client, user, tenant }: Conditions, { may }: Caller): EventFilter {
  const named = kinds === undefined ? undefined : wantedKinds(kinds);
  const isAllowed = (kind: EventKind): boolean => {
    const scope = OWN_SCOPES[kind];
    return scope === undefined || may(scope);
  };
  const denied = named?.find((kind) => !isAllowed(kind));
  if (denied !== undefined) {
    throw new OperationError(403, 'forbidden', `${denied} needs the scope ${OWN_SCOPES[denied]}`);
  }
  return { kinds: (named ?? EVENT_KINDS).filter(isAllowed), clientId: client, user, tenant };
}

const needsOf = ({ kinds = [] }: EventFilter): NodeScope[] => kinds.flatMap((kind) => OWN_SCOPES[kind] ?? []);

const MAX_LAST = 1000;

export const eventOperations = {
  eventsList: operation({
    id: 'events.list',
    method: 'GET',
    path: '/events',
    summary: 'What has happened lately, the newest first.',
    scope: 'events:read',
    audit: 'none',
    queryParameters: { ...paging, ...conditions },
    output: pageOf(eventView),
    run: async ({ events }, { limit, cursor, ...asked }, { caller }) => {
      const request = pageRequest('events.list', {
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return shownPage('events.list', events.page(filterOf(asked, caller), request), same);
    },
  }),
  eventsFollow: streamOperation({
    id: 'events.follow',
    path: '/events/stream',
    summary: 'What happens, as it happens. With `Last-Event-ID` it goes on behind what was read before.',
    scope: 'events:read',
    audit: 'none',
    queryParameters: {
      ...conditions,
      last: integer('So many that have happened come first.', { max: MAX_LAST }),
    },
    item: eventView,
    run: async ({ events }, { last = 0, ...asked }, { caller, lastEventId }) => {
      const filter = filterOf(asked, caller);
      return { ...events.follow(filter, { after: lastEventId, last }), needs: needsOf(filter) };
    },
  }),
};
