/** Messages as they are published, looked at and not consumed. */
import type { Caller } from '../caller.ts';
import type { Feed } from '../feed.ts';
import { OperationError, streamOperation } from '../operation.ts';
import { boolean, integer, list, nullable, object, oneOf, string } from '../schema.ts';

export interface TailRequest {
  readonly filters: readonly string[];
  /** Messages shown in a second; of the others only the number. */
  readonly perSecond: number;
  /** Of each payload. */
  readonly maxPayloadBytes: number;
}

export interface TailView {
  /** What that user may receive of it; rejects with an OperationError where that is not all of a filter. */
  follow(request: TailRequest, by: Pick<Caller, 'user' | 'tenant' | 'address'>): Promise<Feed>;
}

export const TAIL_PROTOCOLS = ['mqtt', 'kafka'] as const;

const MAX_FILTERS = 32;
const MAX_SHOWN_BYTES = 64 * 1024;
export const MAX_PER_SECOND = 1000;
const USUAL_PER_SECOND = 100;
const USUAL_SHOWN_BYTES = 1024;

const tailView = object(
  {
    atMs: integer('When it was published.'),
    topic: string('Topic, as MQTT writes it.'),
    protocol: nullable(oneOf(TAIL_PROTOCOLS, 'By what it was published, where that can be told.')),
    isRetained: boolean('Whether it was published to be retained.'),
    payloadBytes: integer('Size of the payload.'),
    payloadIsCut: boolean('Whether only its beginning is shown.'),
    properties: list(
      object(
        { name: string('Name.') },
        { value: string('Value.'), valueBase64: string('Value that is no text.') },
      ),
      'Properties of the message.',
    ),
  },
  { payload: string('Payload that is text.'), payloadBase64: string('Payload that is none.') },
);

export const tailOperations = {
  messagesTail: streamOperation({
    id: 'messages.tail',
    path: '/messages/stream',
    summary:
      'Messages of all protocols as they are published, as far as the rules let the user receive them. Nothing is consumed, and publishers wait for nobody: who is too slow is told how many were left out.',
    scope: 'messages:read',
    audit: 'data',
    queryParameters: {
      filters: string('Topic filters as MQTT has them, one in a line. Needed.', { maxLength: 65_536 }),
      perSecond: integer(`Messages shown in a second; ${USUAL_PER_SECOND} where it is missing.`, {
        min: 1,
        max: MAX_PER_SECOND,
      }),
      maxPayloadBytes: integer(`Longer payloads are cut; ${USUAL_SHOWN_BYTES} where it is missing.`, {
        max: MAX_SHOWN_BYTES,
      }),
    },
    item: tailView,
    run: async (
      { tail },
      { filters = '', perSecond = USUAL_PER_SECOND, maxPayloadBytes = USUAL_SHOWN_BYTES },
      { caller },
    ) => {
      const all = filters.split('\n').filter((each) => each !== '');
      if (all.length === 0 || all.length > MAX_FILTERS) {
        throw new OperationError(400, 'invalid-input', `filters: from 1 to ${MAX_FILTERS} of them`);
      }
      return tail.follow({ filters: all, perSecond, maxPayloadBytes }, caller);
    },
  }),
};
