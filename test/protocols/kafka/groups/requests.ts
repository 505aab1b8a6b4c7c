/** Requests to the handlers as a client makes them: encoded and decoded in the version that is asked for, both ways. */

import type { Caller, Kafka } from '../../../../src/protocols/kafka/context.ts';
import { groupHandlers } from '../../../../src/protocols/kafka/groups/requests.ts';
import {
  type Call,
  type Handler,
  type HandlerTable,
  ownMemory,
} from '../../../../src/protocols/kafka/handlers.ts';
import { type Api, Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import type { Message } from '../../../../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../../../../src/protocols/kafka/schema/writer.ts';
import { openAuthorizer } from '../../../../src/protocols/kafka/security/authorizer.ts';
import { given, type World } from './support.ts';

/** A decoded answer; tests know what they look at. */
// biome-ignore lint/suspicious/noExplicitAny: the fields depend on the API and its version.
export type Loose = any;

function through(message: Message<unknown, Loose>, version: number, value: object): Loose {
  const writer = new WireWriter();
  message.encode(version, value, writer);
  const decoded = message.decode(version, new Uint8Array(Buffer.concat(writer.finish())));
  if (decoded.fault !== undefined)
    throw new Error(`${message.name}: ${decoded.fault.reason} at ${decoded.fault.path}`);
  return decoded.value;
}

/** A request lacks what its version does not have; what is not given has its default. */
export type Ask = (name: keyof HandlerTable, version: number, request: object) => Promise<Loose>;

export function asker(
  world: World,
  authorizer: Kafka['authorizer'] = openAuthorizer,
  /** What runs when the connection closes. */
  atClose: Set<() => void> = new Set(),
): Ask {
  const connection = {
    listener: 'kafka',
    remoteAddress: '127.0.0.1',
    endpoint: { host: 'here', port: 9092 },
    principal: 'User:ANONYMOUS',
    onClose(callback: () => void) {
      atClose.add(callback);
      return () => atClose.delete(callback);
    },
  } as unknown as Caller;
  return async (name, version, request) => {
    const kafka = {
      groups: world.groups,
      shares: { groups: { find: () => undefined, list: () => [] } },
      topics: world.topics,
      authorizer,
      broker: { nodeId: 7 },
      logger: { debug() {} },
    } as unknown as Kafka;
    const api: Api = Apis[name];
    const handler = given(groupHandlers[name]) as Handler<Api>;
    const decoded = through(api.request as Message<unknown, Loose>, version, request);
    const memory = ownMemory();
    const call: Call<Api> = { connection, version, clientId: 'client', request: decoded as never, memory };
    const response = await handler(kafka, call);
    return through(api.response as Message<unknown, Loose>, version, (response ?? {}) as object);
  };
}
