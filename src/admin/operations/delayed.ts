/** Messages that wait for their time. */
import type { Awaitable, Page, PageRequest } from '../node-view.ts';
import { found, operation, pageOf, pageRequest, paging, same, shownPage } from '../operation.ts';
import { boolean, type Infer, integer, nullable, object, string } from '../schema.ts';
import { MAX_PAYLOAD_BYTES, payloadBytes, showMessage } from '../show.ts';
import { type MessageContent, propertiesView, removedView } from '../views.ts';

const fields = {
  id: integer('Identifier.'),
  dueAtMs: integer('When it is published.'),
  topic: string('Topic.'),
  qos: integer('QoS.', { max: 2 }),
  payloadBytes: integer('Size of the payload.'),
  expiresAtMs: nullable(integer('When it is given up.')),
};
export const delayedSummary = object(fields);
export type DelayedSummary = Infer<typeof delayedSummary>;
export type DelayedMessage = DelayedSummary & MessageContent;

export interface DelayedView {
  list(request: PageRequest): Awaitable<Page<DelayedSummary>>;
  get(id: number): Awaitable<DelayedMessage | undefined>;
  /** False when it does not wait (any more). */
  cancel(id: number): Promise<boolean>;
}

const id = integer('Identifier.');

export const delayedOperations = {
  delayedList: operation({
    id: 'delayed.list',
    verb: {
      words: 'delayed list',
      examples: ['delayed list --limit 20'],
      columns: ['id', 'dueAtMs', 'topic', 'qos', 'payloadBytes', 'expiresAtMs'],
      usualLimit: 1000,
    },
    method: 'GET',
    path: '/delayed',
    summary: 'Delayed messages of MQTT in the order in which they came, without their payloads.',
    scope: 'delayed:read',
    audit: 'none',
    queryParameters: paging,
    output: pageOf(delayedSummary),
    run: async ({ delayed }, input) =>
      shownPage('delayed.list', await delayed.list(pageRequest('delayed.list', input)), same),
  }),
  delayedShow: operation({
    id: 'delayed.show',
    verb: { words: 'delayed show', examples: ['delayed show 17'] },
    method: 'GET',
    path: '/delayed/{id}',
    summary: 'A delayed message.',
    scope: 'messages:read',
    audit: 'data',
    pathParameters: { id },
    queryParameters: { payloadBytes },
    output: object(
      {
        ...fields,
        properties: propertiesView,
        payloadIsCut: boolean('Whether the payload is shown up to the limit that was asked for.'),
      },
      {
        payload: string('The payload, when it is text.'),
        payloadBase64: string('In base64, when it is not.'),
      },
    ),
    async run({ delayed }, input) {
      const message = found(await delayed.get(input.id), `delayed message ${input.id}`);
      return showMessage(message, input.payloadBytes ?? MAX_PAYLOAD_BYTES);
    },
  }),
  delayedCancel: operation({
    id: 'delayed.cancel',
    verb: {
      words: 'delayed cancel',
      examples: ['delayed cancel 17'],
      isFinal: true,
      done: () => 'the message will not be published',
    },
    method: 'DELETE',
    path: '/delayed/{id}',
    summary: 'Removes a delayed message before its time.',
    scope: 'delayed:write',
    audit: 'change',
    pathParameters: { id },
    output: removedView,
    async run({ delayed }, input) {
      found((await delayed.cancel(input.id)) || undefined, `delayed message ${input.id}`);
      return { removed: 1 };
    },
  }),
};
