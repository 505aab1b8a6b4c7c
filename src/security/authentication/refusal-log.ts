/** Refused log-ins in the log: who came from where and why not, without what they showed, and not more than can be read. */
import type { Clock } from '../../kernel/clock.ts';
import { createLineBudget } from '../../kernel/line-budget.ts';
import type { Attempt, Refusal } from '../security.ts';

export interface RefusalLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RefusalLog {
  refused(attempt: Attempt, by: string, refusal: Refusal, reason: string): void;
}

const LINES_PER_SECOND = 10;
const MAX_SHOWN = 64;

const shortened = (text: string | undefined): string | undefined =>
  text === undefined || text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;

export function createRefusalLog(log: RefusalLogger, clock: Clock): RefusalLog {
  const lines = createLineBudget(clock, LINES_PER_SECOND);
  return {
    refused({ protocol, listener, remoteAddress, clientId }, by, refusal, reason) {
      const told = lines.take();
      if (told === undefined) return;
      // Not the user name: people type their password there, and tokens can be sent in it.
      const fields = {
        protocol,
        listener,
        remote: remoteAddress,
        clientId: shortened(clientId),
        by,
        refusal,
        reason,
        ...told,
      };
      if (refusal === 'unavailable') log.warn(fields, 'a client is refused: it could not be decided');
      else log.info(fields, 'a client is refused');
    },
  };
}
