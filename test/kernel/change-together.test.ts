import { describe, expect, it } from 'vitest';
import { changeTogether, createSettings, DEFAULT_SETTINGS_LIMITS } from '../../src/kernel/settings-table.ts';
import { ChangeRefused } from '../../src/kernel/state/errors.ts';
import type { Done, StateLog } from '../../src/kernel/state/state-log.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const edit = (name: string) => ({ kind: 1, name, value: Uint8Array.of(1) });

function setUp(maxSettings = DEFAULT_SETTINGS_LIMITS.maxSettings) {
  const added: number[] = [];
  const waiting: Done[] = [];
  const log = {
    add: (table: number) => added.push(table),
    commit: (_level: string, done: Done) => waiting.push(done),
  } as unknown as StateLog;
  const one = createSettings(1, 'one');
  const two = createSettings(2, 'two', { ...DEFAULT_SETTINGS_LIMITS, maxSettings });
  for (const each of [one, two]) each.attach(log);
  return { added, waiting, log, one, two };
}

describe('a change of two tables', () => {
  it('is one change of the state log, in force in both when it is durable', async () => {
    const { added, waiting, log, one, two } = setUp();
    const told: string[] = [];
    one.watch(1, (name) => told.push(`one ${name}`));
    two.watch(1, (name) => told.push(`two ${name}`));
    const changed = changeTogether(log, [one, two], async () => [[edit('a')], [edit('b')]]);
    await turn();
    expect([added, waiting.length, one.count + two.count]).toEqual([[1, 2], 1, 0]);
    waiting[0]?.(undefined, 0);
    expect(await changed).toBe('changed');
    expect([one.get(1, 'a'), two.get(1, 'b')]).toEqual([Uint8Array.of(1), Uint8Array.of(1)]);
    expect(told).toEqual(['one a', 'two b']);
  });

  it('that the journal refuses is none', async () => {
    const { waiting, log, one, two } = setUp();
    const changed = changeTogether(log, [one, two], async () => [[edit('a')], [edit('b')]]);
    await turn();
    waiting[0]?.(new ChangeRefused('full', 'the disk is full'), -1);
    expect(await changed).toBe('failed');
    expect(one.count + two.count).toBe(0);
  });

  it('that does not fit one of them adds nothing to either', async () => {
    const { added, waiting, log, one, two } = setUp(1);
    const changed = changeTogether(log, [one, two], async () => [[edit('a')], [edit('b'), edit('c')]]);
    expect(await changed).toBe('full');
    expect([added, waiting.length]).toEqual([[], 0]);
  });

  it('waits for the changes before it, and those behind it for it', async () => {
    const { waiting, log, one, two } = setUp();
    const first = two.change(() => [edit('first')]);
    let seen: Uint8Array | undefined;
    const both = changeTogether(log, [one, two], async () => {
      seen = two.get(1, 'first');
      return [[edit('a')], []];
    });
    const last = one.change(() => [edit('last')]);
    await turn();
    expect(waiting.length).toBe(1);
    waiting[0]?.(undefined, 0);
    await first;
    await turn();
    expect([seen, waiting.length]).toEqual([Uint8Array.of(1), 2]);
    waiting[1]?.(undefined, 0);
    await both;
    await turn();
    waiting[2]?.(undefined, 0);
    await last;
    expect([one.count, two.count]).toEqual([2, 1]);
  });

  it('that changes its mind leaves both as they were, and free', async () => {
    const { waiting, log, one, two } = setUp();
    const refused = changeTogether(log, [one, two], async () => {
      throw new Error('no');
    });
    await expect(refused).rejects.toThrow('no');
    const next = one.change(() => [edit('a')]);
    await turn();
    waiting[0]?.(undefined, 0);
    expect(await next).toBe('changed');
  });
});
