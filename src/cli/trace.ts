/** `robustmq trace`: what becomes of messages, a line for each step. */

import { TIME_IS_OVER } from '../admin/operations/trace.ts';
import { OPERATIONS } from '../admin/operations.ts';
import { printable, time } from './admin-output.ts';
import { CliError, ExitCode } from './exit-codes.ts';
import { type FollowOptions, follow } from './follow.ts';
import type { Io } from './io.ts';

export interface TraceOptions extends FollowOptions {
  readonly topic?: string;
  readonly client?: string;
  readonly rate: number;
  readonly seconds: number;
}

interface SeenStep {
  readonly trace: string;
  readonly step: string;
  readonly atMs: number;
  readonly micros: number;
  readonly topic: string | null;
  readonly clientId: string | null;
  readonly about: readonly { readonly name: string; readonly value: string }[];
  readonly fault: string | null;
}

/** Enough to tell messages apart by eye. */
const SHOWN_DIGITS = 8;

export async function trace(options: TraceOptions, io: Io): Promise<number> {
  const { topic, client, rate, seconds } = options;
  if (topic === undefined && client === undefined) {
    throw new CliError(ExitCode.Usage, 'say of which messages: --topic, --client, or both');
  }
  return follow<object, SeenStep>(options, io, {
    operation: OPERATIONS.messagesTrace,
    input: {
      ...(topic === undefined ? {} : { topic }),
      ...(client === undefined ? {} : { client }),
      perSecond: rate,
      seconds,
    },
    line,
    things: 'messages or steps',
    isGoodEnd: (reason) => reason === TIME_IS_OVER,
  });
}

function line({ trace: id, step, atMs, micros, topic, clientId, about, fault }: SeenStep): string {
  const parts = [
    time(atMs),
    id.slice(0, SHOWN_DIGITS),
    step.padEnd(7),
    `${(micros / 1000).toFixed(3)} ms`.padStart(11),
    ...(topic === null ? [] : [printable(topic)]),
    ...(clientId === null ? [] : [`${step === 'deliver' ? 'to' : 'by'} ${printable(clientId)}`]),
    ...about.map(({ name, value }) => `${printable(name)}=${printable(value)}`),
    ...(fault === null ? [] : [`FAILED: ${printable(fault)}`]),
  ];
  return `${parts.join('  ')}\n`;
}
