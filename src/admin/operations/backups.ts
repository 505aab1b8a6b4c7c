/**
 * Backups of the running node. The node says which bytes belong to one and keeps them in place; the command line, on the same
 * machine, copies them. So no path ever comes from elsewhere, and nobody from elsewhere holds segments back.
 */
import type { Caller } from '../caller.ts';
import type { Awaitable } from '../node-view.ts';
import { OperationError, operation } from '../operation.ts';
import { boolean, type Infer, integer, list, object, string } from '../schema.ts';

const MAX_LISTED = 1_000_000;

const file = object({
  path: string('From the data directory.'),
  bytes: integer('So many from its start belong to the backup.'),
  isFinal: boolean('Whether nothing is written to it any more.'),
  mayGo: boolean('Whether it may be removed meanwhile, and is not missed.'),
});

const lease = object({
  id: string('Of the backup, for what follows.'),
  epoch: integer('Epoch of the journal.'),
  startPosition: integer('Start of the journal.'),
  endPosition: integer('All of the journal below it is in the backup.'),
  files: list(file, 'What to copy, in this order.', { maxItems: MAX_LISTED }),
  objects: list(
    object({ key: string('Name of the object.'), bytes: integer('Its size.') }),
    'Segments of the journal that only the object store has.',
    { maxItems: MAX_LISTED },
  ),
  objectPlace: string("The object store that has them, in words; '' where none is configured."),
  usesObjectStorage: boolean('Whether topics or streams lie in an object store.'),
});
export type BackupLease = Infer<typeof lease>;

export interface BackupsView {
  /** Rejects with an OperationError where there can be none now. */
  begin(): Promise<BackupLease>;
  /** Why it is not under way any more; undefined when it goes on. */
  renew(id: string): Awaitable<string | undefined>;
  /** False when it had ended before. */
  end(id: string): Awaitable<boolean>;
}

function onlyHere({ via }: Caller): void {
  if (via === 'socket') return;
  throw new OperationError(
    403,
    'only-local',
    'a backup is made on the machine of the broker, by its own command line: robustmq backup <directory> --data-dir <dir>',
  );
}

const id = string('Of the backup.', { maxLength: 64 });

export const backupOperations = {
  backupsBegin: operation({
    id: 'backups.begin',
    method: 'POST',
    path: '/backups',
    summary:
      'Says what belongs to a backup, and keeps it in place until the backup ends. Over the control socket only.',
    scope: 'backup:write',
    audit: 'change',
    output: lease,
    async run(node, _input, { caller }) {
      onlyHere(caller);
      return node.backups.begin();
    },
  }),
  backupsRenew: operation({
    id: 'backups.renew',
    method: 'GET',
    path: '/backups/{id}',
    summary:
      'Whether a backup is still under way; it ends when nobody asks for a minute. Over the control socket only.',
    scope: 'backup:read',
    audit: 'none',
    pathParameters: { id },
    output: object({}),
    async run(node, input, { caller }) {
      onlyHere(caller);
      const reason = await node.backups.renew(input.id);
      if (reason !== undefined) throw new OperationError(409, 'backup-ended', reason);
      return {};
    },
  }),
  backupsEnd: operation({
    id: 'backups.end',
    method: 'POST',
    path: '/backups/{id}:end',
    summary: 'Ends a backup: nothing is kept in place for it any longer.',
    scope: 'backup:write',
    audit: 'change',
    pathParameters: { id },
    body: object({ isComplete: boolean('Whether all was copied.') }),
    output: object({ wasUnderWay: boolean('False when it had ended before.') }),
    async run(node, input, { caller }) {
      onlyHere(caller);
      return { wasUnderWay: await node.backups.end(input.id) };
    },
  }),
};
