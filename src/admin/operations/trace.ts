/** What becomes of messages, step by step, for whoever asks and for as long as they look. */
import type { Caller } from '../caller.ts';
import type { Feed } from '../feed.ts';
import { OperationError, streamOperation } from '../operation.ts';
import { integer, list, nullable, object, oneOf, string } from '../schema.ts';

export interface TraceRequest {
  /** A filter of MQTT. */
  readonly topic: string;
  /** Of who publishes: an identifier, or how identifiers begin and a `*`; empty is anybody. */
  readonly clientId: string;
  /** Messages followed in a second; of the others only the number. */
  readonly perSecond: number;
  readonly durationMs: number;
}

export interface TracesView {
  /** Rejects with an OperationError. */
  follow(request: TraceRequest, by: Pick<Caller, 'tenant'>): Promise<Feed>;
}

export const STEPS = ['publish', 'route', 'append', 'deliver'] as const;
/** The end of a stream that has had its time. */
export const TIME_IS_OVER = 'the time is over';
export const MAX_TRACED_PER_SECOND = 100;
export const MAX_TRACE_SECONDS = 3600;
const USUAL_PER_SECOND = 10;
const USUAL_SECONDS = 600;

const stepView = object({
  trace: string('Of one message; where messages say of which trace they are (`traceparent`), that.'),
  step: oneOf(STEPS, '`publish` is all of it, from the message that came to its acknowledgement.'),
  atMs: integer('When it began.'),
  micros: integer('How long it took, microseconds.'),
  topic: nullable(string('Topic as MQTT writes it; of `publish`.')),
  clientId: nullable(string('Who published, or of `deliver` to whom.')),
  about: list(object({ name: string('Name.'), value: string('Value.') }), 'What else is known.'),
  fault: nullable(string('Why it came to nothing.')),
});

export const traceOperations = {
  messagesTrace: streamOperation({
    id: 'messages.trace',
    path: '/messages/trace',
    summary:
      'What becomes of messages from now on: taken, routed, written to the journal, delivered, with how long each takes. Payloads are not shown.',
    scope: 'messages:read',
    audit: 'data',
    queryParameters: {
      topic: string('Only messages to these topics, as a filter of MQTT.', { maxLength: 65_535 }),
      client: string('Only of this client identifier, or of those that begin so and then have a `*`.', {
        maxLength: 1024,
      }),
      perSecond: integer(`Messages followed in a second; ${USUAL_PER_SECOND} where it is missing.`, {
        min: 1,
        max: MAX_TRACED_PER_SECOND,
      }),
      seconds: integer(`After how long it ends; ${USUAL_SECONDS} where it is missing.`, {
        min: 1,
        max: MAX_TRACE_SECONDS,
      }),
    },
    item: stepView,
    run: async (
      { traces },
      { topic = '#', client = '', perSecond = USUAL_PER_SECOND, seconds = USUAL_SECONDS },
      { caller },
    ) => {
      if (topic === '#' && client === '') {
        throw new OperationError(400, 'invalid-input', 'topic or client: say of which messages');
      }
      const request = { topic, clientId: client, perSecond, durationMs: seconds * 1000 };
      return traces.follow(request, caller);
    },
  }),
};
