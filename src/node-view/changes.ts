/** What all changes have in common that an operator asks for. */
import { OperationError } from '../admin/operation.ts';
import type { Mqtt } from '../protocols/mqtt/context.ts';

/** Before anything is changed: in memory it would be gone, and back after the next start. */
export function checkJournal({ durable }: Mqtt): void {
  if (durable.log.refusal() === 'failed') {
    throw new OperationError(
      409,
      'journal-failed',
      'the journal has failed: nothing can be changed any more',
    );
  }
}

/** Ends the change under way, and resolves when it is as durable as what clients are promised. */
export function committed({ config, durable }: Mqtt): Promise<void> {
  return new Promise((resolve, reject) => {
    durable.log.commit(
      config.storage.durability,
      (error) => {
        if (error === undefined) resolve();
        else reject(new OperationError(409, 'journal-failed', `the change is not durable: ${error.message}`));
      },
      true,
    );
  });
}
