/** All messages in all their versions. */
import { type Api, Apis } from '../../../../src/protocols/kafka/messages/apis.ts';
import type { Message } from '../../../../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../../../../src/protocols/kafka/schema/writer.ts';

export const apis: readonly Api[] = Object.values(Apis);
export const messages: readonly Message[] = apis.flatMap(({ request, response }) => [request, response]);

export function versionsOf({ versions: { first, last } }: Pick<Message, 'versions'>): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

const writer = new WireWriter();

export function encoded(message: Message, version: number, value: unknown): Buffer {
  message.encode(version, value as never, writer);
  return Buffer.concat(writer.finish());
}
