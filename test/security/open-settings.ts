/** Settings without a journal: every change is durable at once. */
import { createSettings, type Settings } from '../../src/kernel/settings-table.ts';
import type { Done, StateLog } from '../../src/kernel/state/state-log.ts';
import { TableId } from '../../src/kernel/state/table.ts';

export function openSettings(): Settings {
  const settings = createSettings(TableId.Security, 'security');
  settings.attach({
    add: () => undefined,
    commit: (_level: string, done: Done) => done(undefined, 0),
  } as unknown as StateLog);
  return settings;
}
