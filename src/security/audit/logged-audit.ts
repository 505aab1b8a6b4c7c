/** The audit log of a node that keeps nothing: entries go to the log of the process, and cannot be read back. */
import type { Audit } from './audit.ts';
import { GENESIS } from './chain.ts';
import { type AuditEvent, redacted } from './entry.ts';
import { type FilesToVerify, verifyAudit } from './verify.ts';

const NO_FILES: FilesToVerify = {
  list: () => Promise.resolve([]),
  read: () => Promise.reject(new Error('nothing is kept')),
};

export function createLoggedAudit(logger: { info(fields: object, message: string): void }): Audit {
  let written = 0;
  const listeners = new Set<(event: AuditEvent) => void>();
  const note = (event: AuditEvent): Promise<boolean> => {
    written++;
    for (const listener of listeners) listener(event);
    logger.info({ audit: { ...event, input: redacted(event.input) } }, 'administration');
    return Promise.resolve(true);
  };
  return {
    note,
    async change(event, change, outcomeOf = () => ({ result: 'ok' })) {
      try {
        const value = await change();
        await note({ ...event, ...outcomeOf(value) });
        return value;
      } catch (error) {
        await note({ ...event, result: 'failed', reason: error instanceof Error ? error.name : 'unknown' });
        throw error;
      }
    },
    read: () => Promise.resolve({ entries: [], next: undefined, unreadable: 0 }),
    verify: (expected) => verifyAudit({ files: NO_FILES, head: undefined, expected }),
    head: () => GENESIS,
    failure: () => undefined,
    onAlarm: () => () => {},
    onEntry(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    counters: () => ({ written, lost: 0 }),
    close: () => Promise.resolve(),
  };
}
