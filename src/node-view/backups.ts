/** Backups as administration sees them. */
import { OperationError } from '../admin/operation.ts';
import type { BackupsView } from '../admin/operations/backups.ts';
import type { DurableTier } from '../durable-tier.ts';

export function backupsView(backups: DurableTier['backups']): BackupsView {
  return {
    async begin() {
      if (backups === undefined) {
        throw new OperationError(
          409,
          'not-possible',
          'this node keeps everything in memory (storage.engine)',
        );
      }
      try {
        return await backups.begin();
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'BackupRefused') throw error;
        throw new OperationError(409, 'backup-refused', error.message);
      }
    },
    renew: (id) => (backups === undefined ? 'there is no such backup' : backups.renew(id)),
    end: (id) => backups?.end(id) ?? false,
  };
}
