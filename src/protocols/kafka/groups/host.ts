/**
 * What the state machines of groups are given: time, deadlines, and a way to have changes written down. An answer that follows a
 * change of its group leaves when the change is durable; a change that fails turns the answers that rest on it into failures.
 */
import type { Clock } from '../../../kernel/clock.ts';
import type { StateLog } from '../../../kernel/state/state-log.ts';
import { TableId } from '../../../kernel/state/table.ts';
import type { GroupChange } from './changes.ts';
import type { Deadlines } from './deadlines.ts';
import type { GroupsTable } from './groups-table.ts';
import type { GroupSettings } from './settings.ts';

export type Reply<T> = (response: T) => void;

/** What a group owes after changes that are on their way. */
export interface Keeping {
  pending: number;
  readonly owed: { readonly after: number; readonly give: (hasFailed: boolean) => void }[];
}

export const newKeeping = (): Keeping => ({ pending: 0, owed: [] });

export interface Kept {
  readonly id: string;
  readonly keeping: Keeping;
}

export interface GroupHost {
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  newId(): string;
  /** Why a group does what it does, for who asks the log. */
  explain(group: string, reason: string): void;
  /** One change of the state log. */
  keep(group: Kept, changes: readonly GroupChange[]): void;
  /** At once where nothing is on its way. */
  answer<T>(group: Kept, reply: Reply<T>, response: T, failure: T): void;
}

export interface HostOptions {
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly groups: GroupsTable;
  readonly log: Pick<StateLog, 'add' | 'commit'>;
  readonly level: Parameters<StateLog['commit']>[0];
  readonly newId: () => string;
  readonly explain?: (group: string, reason: string) => void;
}

/** Adds what has to be written to the current change; `settle` when that is committed. */
export function stageAll(
  { groups, log }: Pick<HostOptions, 'groups' | 'log'>,
  changes: readonly GroupChange[],
): () => void {
  const staged = changes.map((change) => groups.stage(change));
  for (const { entry } of staged) log.add(TableId.KafkaGroups, entry);
  return () => {
    for (const { settle } of staged) settle();
  };
}

export function createHost(options: HostOptions): GroupHost {
  const { settings, clock, deadlines, log, level, newId, explain } = options;
  let lastChange = 0;

  return {
    settings,
    clock,
    deadlines,
    newId,
    explain: explain ?? (() => {}),
    keep({ keeping }, changes) {
      const settle = stageAll(options, changes);
      const number = ++lastChange;
      keeping.pending = number;
      log.commit(
        level,
        (error) => {
          if (error === undefined) settle();
          if (keeping.pending === number) keeping.pending = 0;
          while (keeping.owed.length > 0 && keeping.owed[0].after <= number) {
            keeping.owed.shift()?.give(error !== undefined);
          }
        },
        true,
      );
    },
    answer({ keeping }, reply, response, failure) {
      if (keeping.pending === 0) reply(response);
      else {
        keeping.owed.push({
          after: keeping.pending,
          give: (hasFailed) => reply(hasFailed ? failure : response),
        });
      }
    },
  };
}
