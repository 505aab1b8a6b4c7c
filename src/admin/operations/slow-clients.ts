/** Clients that do not take what is there for them. */
import type { Awaitable } from '../node-view.ts';
import { offsetPage } from '../offset-page.ts';
import { operation, pageOf, paging, same } from '../operation.ts';
import { boolean, type Infer, integer, nullable, object, oneOf, string } from '../schema.ts';
import { tenantField } from '../views.ts';

const WAITS_FOR = ['network', 'acknowledgement', 'queue', 'connection'] as const;
export type WaitsFor = (typeof WAITS_FOR)[number];
const ORDERS = ['time', 'messages', 'bytes'] as const;
export type SlowOrder = (typeof ORDERS)[number];

export const slowClientView = object({
  clientId: string('Client identifier.'),
  tenant: tenantField,
  isConnected: boolean('Whether it is connected.'),
  address: nullable(string('Where it comes from; null when it is not connected.')),
  waitsFor: oneOf(
    WAITS_FOR,
    'What the oldest waits for: that the network takes what was written, that the client acknowledges what was sent, its turn in the queue, or that the client connects.',
  ),
  behindSeconds: integer(
    'For so long the oldest has waited, at least; what came before the broker started, since then.',
  ),
  messages: integer('Messages that wait or are not acknowledged.'),
  queuedBytes: integer('Bytes of what waits in its queue.'),
  networkBytes: integer('Bytes that the network has not taken.'),
});
export type SlowClient = Infer<typeof slowClientView>;

export interface SlowRequest {
  readonly order: SlowOrder;
  readonly minSeconds: number;
  /** Or only those that are not. */
  readonly isConnected: boolean;
  readonly prefix: string;
  readonly tenant: string | undefined;
}

export interface SlowClientsView {
  /** Those that are most behind, the first ones ahead; at most a thousand. */
  ranked(request: SlowRequest): Awaitable<readonly SlowClient[]>;
}

export const slowClientOperations = {
  slowClientsList: operation({
    id: 'slowClients.list',
    verb: {
      words: 'client slow',
      columns: [
        'clientId',
        'tenant',
        'behindSeconds',
        'waitsFor',
        'messages',
        'queuedBytes',
        'networkBytes',
        'address',
      ],
      usualLimit: 10,
      examples: [
        'client slow',
        'client slow --min-seconds 10 --order messages',
        'client slow --no-connected -o ndjson | jq .clientId',
      ],
    },
    method: 'GET',
    path: '/slow-clients',
    summary:
      'MQTT clients by how far they are behind what is there for them: a thousand at most, those that are connected unless it says otherwise.',
    scope: 'clients:read',
    audit: 'none',
    queryParameters: {
      ...paging,
      order: oneOf(ORDERS, 'By what: how long the oldest has waited, which is usual; messages; or bytes.'),
      minSeconds: integer('Only those that are behind by so much.'),
      connected: boolean('Only those that are connected, or only those that are not.'),
      prefix: string('Start of the client identifier.'),
      tenant: string('Only those of this tenant.', { maxLength: 63 }),
    },
    output: pageOf(slowClientView),
    async run({ slowClients }, { order, minSeconds, connected, prefix, tenant, ...input }) {
      const ranked = await slowClients.ranked({
        order: order ?? 'time',
        minSeconds: minSeconds ?? 0,
        isConnected: connected ?? true,
        prefix: prefix ?? '',
        tenant,
      });
      return offsetPage('slowClients.list', ranked, input, same);
    },
  }),
};
