/** How `sub` shows a message: a format with % letters as mosquitto_sub has them, or JSON. */
import { isUtf8 } from 'node:buffer';
import type { IPublishPacket } from 'mqtt-packet';
import { CliError, ExitCode } from './exit-codes.ts';

type Part = (packet: IPublishPacket, receivedAt: Date) => string | Uint8Array;

const fields: Readonly<Record<string, Part>> = {
  t: (packet) => packet.topic,
  p: (packet) => payloadOf(packet),
  q: (packet) => String(packet.qos),
  r: (packet) => (packet.retain ? '1' : '0'),
  d: (packet) => (packet.dup ? '1' : '0'),
  m: (packet) => String(packet.messageId ?? 0),
  l: (packet) => String(payloadOf(packet).length),
  x: (packet) => payloadOf(packet).toString('hex'),
  X: (packet) => payloadOf(packet).toString('hex').toUpperCase(),
  b: (packet) => payloadOf(packet).toString('base64'),
  I: (_packet, receivedAt) => receivedAt.toISOString(),
  U: (_packet, receivedAt) => (receivedAt.getTime() / 1000).toFixed(3),
  j: (packet, receivedAt) => JSON.stringify(messageJson(packet, receivedAt)),
  C: (packet) => packet.properties?.contentType ?? '',
  R: (packet) => packet.properties?.responseTopic ?? '',
  D: (packet) => packet.properties?.correlationData?.toString('utf8') ?? '',
  E: (packet) => String(packet.properties?.messageExpiryInterval ?? ''),
  F: (packet) =>
    packet.properties?.payloadFormatIndicator === undefined
      ? ''
      : packet.properties.payloadFormatIndicator
        ? '1'
        : '0',
  S: (packet) => [packet.properties?.subscriptionIdentifier ?? []].flat().join(','),
  P: (packet) =>
    Object.entries(packet.properties?.userProperties ?? {})
      .flatMap(([key, values]) => [values].flat().map((value) => `${key}:${value}`))
      .join(' '),
  '%': () => '%',
};

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };

export type MessageFormat = (packet: IPublishPacket, receivedAt: Date) => Buffer;

/** Compiles `%t %p`; an unknown letter is a usage error. */
export function compileFormat(format: string): MessageFormat {
  const parts: Part[] = [];
  for (const [token] of format.matchAll(/%.|\\.|[^%\\]+|[%\\]$/gsu)) {
    const letter = token[1] ?? '';
    if (token.startsWith('%')) {
      const field = Object.hasOwn(fields, letter) ? fields[letter] : undefined;
      if (field === undefined) {
        throw new CliError(
          ExitCode.Usage,
          `--format has no ${token}; there are %${Object.keys(fields).join(' %')}`,
        );
      }
      parts.push(field);
    } else {
      const text = token.startsWith('\\') ? (escapes[letter] ?? token) : token;
      parts.push(() => text);
    }
  }
  return (packet, receivedAt) =>
    Buffer.concat(
      parts.map((part) => {
        const value = part(packet, receivedAt);
        return typeof value === 'string' ? Buffer.from(value) : value;
      }),
    );
}

/** The payload is `payload` when it is text and `payloadBase64` otherwise. */
export function messageJson(packet: IPublishPacket, receivedAt: Date): object {
  const payload = payloadOf(packet);
  const { correlationData, ...properties } = packet.properties ?? {};
  const shown = {
    ...properties,
    ...(correlationData === undefined ? {} : { correlationData: correlationData.toString('base64') }),
  };
  return {
    topic: packet.topic,
    qos: packet.qos,
    retain: packet.retain,
    ...(isUtf8(payload)
      ? { payload: payload.toString('utf8') }
      : { payloadBase64: payload.toString('base64') }),
    ...(Object.keys(shown).length === 0 ? {} : { properties: shown }),
    receivedAt: receivedAt.toISOString(),
  };
}

function payloadOf({ payload }: IPublishPacket): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload;
}
