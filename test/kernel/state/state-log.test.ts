import { describe, expect, it } from 'vitest';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import type { OpenStateLog, StateLogOptions } from '../../../src/kernel/state/state-log.ts';
import type { JournalRecord } from '../../../src/storage/journal/group.ts';
import { type FaultyDisk, faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { committed, journalOn } from './support.ts';
import { bodyTable, sumTable, valueTable } from './toy-tables.ts';

type Opened = OpenStateLog & { readonly tables: Tables };
interface Tables {
  readonly values: ReturnType<typeof valueTable>;
  readonly sums: ReturnType<typeof sumTable>;
  readonly bodies: ReturnType<typeof bodyTable>;
}

async function openOn(disk: FaultyDisk, options: Partial<StateLogOptions> = {}): Promise<Opened> {
  const tables = { values: valueTable(1), sums: sumTable(2), bodies: bodyTable(3) };
  const log = await openStateLog({
    journal: options.journal ?? (await journalOn(disk)),
    tables: [tables.values, tables.sums, tables.bodies],
    clock: createManualClock(),
    ...options,
  });
  return Object.assign(log, { tables });
}

describe('the state log', () => {
  it('rebuilds the tables from the journal after a kill, whole changes only', async () => {
    const disk = faultyDisk(1);
    const log = await openOn(disk);
    for (let i = 0; i < 500; i++) {
      log.tables.values.set(log, i % 50, i + 1);
      log.tables.sums.add(log, i % 7, i);
      log.commit('os', () => log.tables.sums.acknowledged(i % 7, i, 0));
    }
    await log.drained();
    const again = await openOn(disk.kill());
    expect(again.tables.values.values).toEqual(log.tables.values.values);
    expect(again.tables.sums.sums).toEqual(log.tables.sums.sums);
    expect(again.recovered).toMatchObject({ from: 'journal', entries: 1000 });
  });

  it('acknowledges in the order of commits, also where a later one asks for less', async () => {
    const log = await openOn(faultyDisk(2));
    const order: number[] = [];
    for (let i = 0; i < 30; i++) {
      log.tables.values.set(log, i, 1);
      log.commit(i % 2 === 0 ? 'sync' : 'memory', () => order.push(i));
      if (i % 3 === 0) await new Promise(setImmediate);
    }
    await log.drained();
    expect(order).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it('finds bodies again by position and offset, from memory and after a restart', async () => {
    const disk = faultyDisk(3);
    const log = await openOn(disk);
    const bodies = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1 + ((i * 977) % 9000), i));
    for (const [i, body] of bodies.entries()) {
      const placed = log.tables.bodies.add(log, i, body);
      log.commit('os', (_error, position) => placed(position));
      if (i % 5 === 0) await log.drained();
    }
    await log.drained();
    const check = async (from: Opened) => {
      for (const [i, body] of bodies.entries()) {
        const place = from.tables.bodies.places.get(i);
        if (place === undefined) throw new Error(`body ${i} is lost`);
        const read = await from.read(place.position, place.offset, place.length);
        expect(body.equals(read)).toBe(true);
      }
    };
    await check(log);
    await check(await openOn(disk.kill()));
    await expect(log.read(1, 0, 5)).rejects.toThrow(/no 5 bytes/);
  });

  it('hands records of other logs to the tables, behind the frame of their append', async () => {
    const disk = faultyDisk(4);
    const log = await openOn(disk);
    const events: string[] = [];
    log.onFlush(() => {
      log.addRecord('journal', { logId: 1024, stripe: 0, payload: Buffer.from('batch') }, (position) =>
        events.push(`record ${position > 0}`),
      );
    });
    log.tables.values.set(log, 1, 1);
    log.commit('sync', (_error, position) => events.push(`done ${position > 0}`));
    await log.drained();
    expect(events).toEqual(['record true', 'done true']);
    const seen: string[] = [];
    const watching = valueTable(1);
    const table = {
      ...watching,
      apply: () => void seen.push('entry'),
      observe: (record: JournalRecord) => void seen.push(Buffer.from(record.payload).toString()),
    };
    await openOn(disk.kill(), { tables: [table] });
    expect(seen).toEqual(['entry', 'batch']);
  });

  it('refuses to start on entries of a table that it does not know', async () => {
    const disk = faultyDisk(5);
    const log = await openOn(disk);
    log.tables.values.set(log, 1, 1);
    await committed(log);
    await expect(openOn(disk.kill(), { tables: [] })).rejects.toThrow(/has table 1, which this program/);
  });
});
