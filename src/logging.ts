/**
 * The log: pino, one line of JSON per entry on standard output, or a readable line on a terminal. Writes are
 * synchronous, so that the last line before an exit is never lost.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import type { Config } from './config/config.ts';

export async function createLogger(
  config: Config['logging'],
  output: { readonly fd: number; readonly isTTY: boolean },
): Promise<Logger> {
  const pretty = config.format === 'pretty' || (config.format === 'auto' && output.isTTY);
  const stream = pretty ? await prettyStream(output) : destination({ fd: output.fd, sync: true });
  return pino({ level: config.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

async function prettyStream(output: {
  readonly fd: number;
  readonly isTTY: boolean;
}): Promise<DestinationStream> {
  const { default: pinoPretty } = await import('pino-pretty');
  return pinoPretty({
    colorize: output.isTTY && process.env.NO_COLOR === undefined,
    destination: output.fd,
    sync: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
}
