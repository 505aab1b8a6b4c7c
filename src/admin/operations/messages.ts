/** Messages that administrators publish. */

import type { Caller } from '../caller.ts';
import { OperationError, operation } from '../operation.ts';
import { boolean, integer, list, object, oneOf, type Schema, string } from '../schema.ts';

export interface NewMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly expirySeconds: number | undefined;
  /** The publisher says that the payload is text. */
  readonly isText: boolean;
  readonly contentType: string | undefined;
  readonly responseTopic: string | undefined;
  readonly correlationData: Uint8Array | undefined;
  readonly userProperties: readonly { readonly name: string; readonly value: string }[];
}

const OUTCOMES = ['delivered', 'no-subscribers', 'delayed'] as const;

export interface MessagesView {
  /**
   * Like a message of a client of that user, rules and all; without a user everything is allowed that is to anybody.
   * Resolves when it is as durable as its topic asks for. What cannot be rejects with an OperationError.
   */
  publish(message: NewMessage, by: Pick<Caller, 'user' | 'tenant'>): Promise<(typeof OUTCOMES)[number]>;
}

const anyJson: Schema<unknown> = {
  json: { description: 'The payload as a value of JSON; its content type is application/json.' },
  fromJson: (value) => value,
};
const base64 = (description: string) => string(description, { maxLength: 1024 * 1024 });
const text = (description: string) => string(description, { maxLength: 65_535 });

function bytesOf(encoded: string, field: string): Uint8Array {
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) {
    throw new OperationError(400, 'invalid-input', `${field} is not base64`);
  }
  return Buffer.from(encoded, 'base64');
}

interface Payloads {
  readonly payload?: string;
  readonly payloadJson?: unknown;
  readonly payloadBase64?: string;
}

function payloadOf({ payload, payloadJson, payloadBase64 }: Payloads): Uint8Array {
  const given = [payload, payloadJson, payloadBase64].filter((each) => each !== undefined);
  if (given.length > 1) {
    throw new OperationError(400, 'invalid-input', 'one of payload, payloadJson and payloadBase64 is enough');
  }
  if (payloadBase64 !== undefined) return bytesOf(payloadBase64, 'payloadBase64');
  return Buffer.from(payloadJson === undefined ? (payload ?? '') : JSON.stringify(payloadJson));
}

export const messageOperations = {
  messagesPublish: operation({
    id: 'messages.publish',
    verb: {
      words: 'message publish',
      arguments: ['topic', 'payload'],
      done: ({ outcome }) =>
        ({
          delivered: 'published',
          'no-subscribers': 'published; nobody subscribes',
          delayed: 'will be published',
        })[outcome],
      examples: [
        'message publish sensors/kitchen 21.5 --qos 1 --retain',
        `message publish orders --payload-json '{"id":1}'`,
      ],
    },
    method: 'POST',
    path: '/messages',
    summary: 'Publishes a message, as MQTT does.',
    scope: 'messages:write',
    audit: 'change',
    body: object(
      { topic: text('Topic; `$delayed/seconds/topic` where the broker takes those.') },
      {
        payload: string('The payload as text.', { maxLength: 1024 * 1024 }),
        payloadJson: anyJson,
        payloadBase64: base64('The payload in base64.'),
        qos: integer('QoS; 1 where it is missing.', { max: 2 }),
        retain: boolean('Asks the broker to keep it for later subscribers.'),
        expirySeconds: integer('When it is given up.', { max: 0xffff_ffff }),
        contentType: text('Content type.'),
        responseTopic: text('Where to answer.'),
        correlationDataBase64: base64('Correlation data in base64.'),
        userProperties: list(object({ name: text('Name.'), value: text('Value.') }), 'User properties.', {
          maxItems: 100,
        }),
      },
    ),
    output: object({ outcome: oneOf(OUTCOMES, 'What became of it.') }),
    async run({ messages }, { body }, { caller }) {
      const { topic, qos = 1, retain = false, correlationDataBase64, userProperties = [] } = body;
      const isJson = body.payloadJson !== undefined;
      const message: NewMessage = {
        topic,
        payload: payloadOf(body),
        qos: qos as 0 | 1 | 2,
        retain,
        expirySeconds: body.expirySeconds,
        isText: false,
        contentType: body.contentType ?? (isJson ? 'application/json' : undefined),
        responseTopic: body.responseTopic,
        correlationData:
          correlationDataBase64 === undefined
            ? undefined
            : bytesOf(correlationDataBase64, 'correlationDataBase64'),
        userProperties,
      };
      return { outcome: await messages.publish(message, caller) };
    },
  }),
};
