/** Properties of messages by the names that they have as headers of records (docs/records.md), so that both read alike. */
import type { Property } from '../admin/views.ts';
import type { Message } from '../kernel/message.ts';
import { messageToRecord } from '../storage/records/message-record.ts';
import { decodeHeaders, type RecordHeaders } from '../storage/records/record.ts';

/** Views have fields for them. */
const FIELDS = new Set(['mqtt.qos', 'mqtt.retain', 'mqtt.expires-at']);

export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();

export function headersOf(headers: RecordHeaders): Property[] {
  return (decodeHeaders(headers) ?? []).map(({ name, value }) => ({ name: textOf(name), value }));
}

export function propertiesOf(message: Message): Property[] {
  const { headers } = messageToRecord(message, 0);
  return headersOf(headers).filter(({ name }) => !FIELDS.has(name));
}
