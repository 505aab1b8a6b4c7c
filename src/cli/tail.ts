/** `robustmq tail`: messages of all protocols as they are published. */
import { OPERATIONS } from '../admin/operations.ts';
import type { PayloadView, PropertyView } from '../admin/views.ts';
import { printable, time } from './admin-output.ts';
import { type FollowOptions, follow } from './follow.ts';
import type { Io } from './io.ts';

export interface TailOptions extends FollowOptions {
  readonly format: 'text' | 'json' | 'hex';
  readonly rate: number;
  readonly maxPayload: number;
}

interface Seen extends PayloadView {
  readonly atMs: number;
  readonly topic: string;
  readonly protocol: string | null;
  readonly isRetained: boolean;
  readonly properties: readonly PropertyView[];
}

export function tail(filters: readonly string[], options: TailOptions, io: Io): Promise<number> {
  return follow<object, Seen>(options, io, {
    operation: OPERATIONS.messagesTail,
    input: {
      filters: filters.join('\n'),
      perSecond: options.rate,
      maxPayloadBytes: options.maxPayload,
    },
    line: (seen) => line(seen, options.format),
    things: 'messages',
  });
}

function line(seen: Seen, format: TailOptions['format']): string {
  const { atMs, topic, protocol, isRetained, payloadBytes, payloadIsCut, properties } = seen;
  const about = [
    time(atMs),
    protocol ?? '-',
    printable(topic),
    `${payloadBytes} B`,
    ...(isRetained ? ['retained'] : []),
    ...properties.map(
      ({ name, value, valueBase64 }) => `${printable(name)}=${printable(value ?? valueBase64 ?? '')}`,
    ),
  ];
  return `${about.join('  ')}\n${payloadText(seen, format)}${payloadIsCut ? ' …' : ''}\n`;
}

function payloadText({ payload, payloadBase64 = '' }: PayloadView, format: TailOptions['format']): string {
  if (format === 'hex' || payload === undefined) {
    const bytes = payload === undefined ? Buffer.from(payloadBase64, 'base64') : Buffer.from(payload);
    return `  ${bytes.toString('hex')}`;
  }
  const text = format === 'json' ? indented(payload) : payload;
  return text
    .split('\n')
    .map((each) => `  ${printable(each)}`)
    .join('\n');
}

/** Text that is no JSON, because it was cut or never was, stays as it is. */
function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
