/** Clients: connections of all protocols. */
import type { Awaitable, Page, PageRequest } from '../node-view.ts';
import {
  found,
  named,
  OperationError,
  operation,
  pageOf,
  pageRequest,
  paging,
  same,
  shownPage,
} from '../operation.ts';
import { boolean, type Infer, integer, nullable, object, oneOf, string } from '../schema.ts';
import { removedView, tenantField } from '../views.ts';

export const clientView = object({
  id: string(
    'Identifier: `mqtt:` and the client identifier, `mqtt@tenant:` before those of a tenant, or `kafka:` and a number.',
  ),
  clientId: nullable(string('What the client calls itself; null while it has not said.')),
  tenant: tenantField,
  protocol: string('Protocol, with its version where it is known.'),
  listener: string('Listener.'),
  address: string('Where it comes from.'),
  port: integer('Port that it comes from.'),
  userName: nullable(string('User name; null without one.')),
  connectedAtMs: integer('Since when.'),
  pendingBytes: integer('Bytes that wait for the network, and for who takes them.'),
});
export type ClientView = Infer<typeof clientView>;

const PROTOCOLS = ['mqtt', 'kafka'] as const;

/** All that are there must fit. */
export interface ClientFilter {
  readonly protocol?: (typeof PROTOCOLS)[number];
  readonly listener?: string;
  readonly user?: string;
  readonly tenant?: string;
  readonly address?: string;
  /** Start of the client identifier. */
  readonly prefix?: string;
}

export interface ClientsView {
  list(request: PageRequest & ClientFilter): Awaitable<Page<ClientView>>;
  /** By its identifier; what is none is the client identifier of MQTT. */
  get(id: string): Awaitable<ClientView | undefined>;
  /** Its session stays. False when there is no such client. */
  kick(id: string): Awaitable<boolean>;
}

const conditions = {
  protocol: oneOf(PROTOCOLS, 'Only clients of this protocol.'),
  listener: string('Only those of this listener.', { maxLength: 64 }),
  user: string('Only those of this user.', { maxLength: 1024 }),
  tenant: string('Only those of this tenant.', { maxLength: 63 }),
  address: string('Only those from this address.', { maxLength: 64 }),
  prefix: string('Start of the client identifier.'),
};
const id = string('Identifier, or the client identifier of MQTT.');

export const clientOperations = {
  clientsList: operation({
    id: 'clients.list',
    verb: {
      words: 'client list',
      columns: [
        'id',
        'tenant',
        'protocol',
        'address',
        'userName',
        'connectedAtMs',
        'pendingBytes',
        'listener',
      ],
      usualLimit: 1000,
      examples: ['client list --protocol kafka', 'client list --user sensors -o ndjson | jq .address'],
    },
    method: 'GET',
    path: '/clients',
    summary: 'Connected clients of all protocols.',
    scope: 'clients:read',
    audit: 'none',
    queryParameters: { ...paging, ...conditions },
    output: pageOf(clientView),
    run: async ({ clients }, { limit, cursor, ...filter }) => {
      const request = pageRequest('clients.list', {
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      return shownPage('clients.list', await clients.list({ ...request, ...filter }), same);
    },
  }),
  clientsShow: operation({
    id: 'clients.show',
    verb: { words: 'client show', examples: ['client show sensor-17', 'client show kafka:42'] },
    method: 'GET',
    path: '/clients/{id}',
    summary: 'A connected client.',
    scope: 'clients:read',
    audit: 'none',
    pathParameters: { id },
    output: clientView,
    run: async ({ clients }, input) => found(await clients.get(input.id), named('client', input.id)),
  }),
  clientsKick: operation({
    id: 'clients.kick',
    verb: {
      words: 'client kick',
      done: () => 'the client is disconnected; its session stays',
      examples: ['client kick sensor-17', 'client kick mqtt@acme:sensor-17', 'client kick kafka:42'],
    },
    method: 'DELETE',
    path: '/clients/{id}',
    summary: 'Disconnects a client. Its session stays.',
    scope: 'clients:write',
    audit: 'change',
    pathParameters: { id },
    output: removedView,
    async run({ clients }, input) {
      found((await clients.kick(input.id)) || undefined, named('client', input.id));
      return { removed: 1 };
    },
  }),
  clientsKickAll: operation({
    id: 'clients.kickAll',
    verb: {
      words: 'client kick-all',
      isFinal: true,
      examples: ['client kick-all --user sensors --dry-run', 'client kick-all --address 192.0.2.7 --yes'],
    },
    method: 'POST',
    path: '/clients:kick',
    summary: 'Disconnects all clients that fit. Their sessions stay.',
    scope: 'clients:write',
    audit: 'change',
    body: object({}, { ...conditions, dryRun: boolean('Only count.') }),
    output: object({
      matched: integer('How many fit.'),
      kicked: integer('How many were disconnected.'),
    }),
    async run({ clients }, { body }) {
      const { dryRun = false, ...filter } = body;
      if (Object.keys(filter).length === 0) {
        throw new OperationError(400, 'invalid-input', `say which: ${Object.keys(conditions).join(', ')}`);
      }
      let matched = 0;
      let kicked = 0;
      let after: string | undefined;
      do {
        const page = await clients.list({
          limit: 1000,
          ...(after === undefined ? {} : { after }),
          ...filter,
        });
        matched += page.items.length;
        for (const each of dryRun ? [] : page.items) if (await clients.kick(each.id)) kicked++;
        after = page.next;
      } while (after !== undefined);
      return { matched, kicked };
    },
  }),
};
