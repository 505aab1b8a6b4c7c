import { describe, expect, it } from 'vitest';
import { StateLogDamaged } from '../../../src/kernel/state/errors.ts';
import {
  decodeMark,
  FORMAT_VERSION,
  walkEntries,
  walkPages,
} from '../../../src/kernel/state/frame-format.ts';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import type { OpenStateLog, StateLogOptions, Storage } from '../../../src/kernel/state/state-log.ts';
import { frameCheck } from '../../../src/storage/journal/frame.ts';
import type { JournalRecord } from '../../../src/storage/journal/group.ts';
import { DEFAULT_LIMITS, openJournal } from '../../../src/storage/journal/journal.ts';
import type { SpaceGuard } from '../../../src/storage/journal/space-guard.ts';
import type { PutIfAbsent } from '../../../src/storage/wal/put-if-absent.ts';
import { createSealedWal } from '../../../src/storage/wal/sealed-wal.ts';
import { type FaultyDisk, faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';
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

  it('closes a frame when much is gathered of finished changes, and not within a change', async () => {
    const log = await openOn(faultyDisk(4), { limits: { gatheredBytes: 3000 } });
    let gathered: Uint8Array[] = [];
    const frames: number[] = [];
    const contribute = (): void => {
      const batches = gathered;
      gathered = [];
      if (batches.length > 0) frames.push(batches.length);
      for (const payload of batches) {
        log.addRecord('journal', { logId: 1024, stripe: 0, payload }, () => {});
      }
    };
    log.onFlush(contribute, () => gathered.reduce((sum, { byteLength }) => sum + byteLength, 0));
    for (const batches of [1, 1, 5, 1]) {
      for (let i = 0; i < batches; i++) gathered.push(new Uint8Array(1000));
      log.commit('os');
    }
    expect(frames).toEqual([7]);
    await log.drained();
    expect(frames).toEqual([7, 1]);
  });

  it('refuses to start on entries of a table that it does not know', async () => {
    const disk = faultyDisk(5);
    const log = await openOn(disk);
    log.tables.values.set(log, 1, 1);
    await committed(log);
    await expect(openOn(disk.kill(), { tables: [] })).rejects.toThrow(/has table 1, which this program/);
  });

  it('refuses new changes when the disk is nearly full, as it said before, and takes settlements', async () => {
    const disk = faultyDisk(6);
    const room = { bytes: 1e6 };
    const space: SpaceGuard = {
      isFull: false,
      freeBytes: 0,
      hasReserve: true,
      allows: (bytes, isSettlement) => isSettlement || bytes < room.bytes,
      wrote: () => {},
      check: async () => {},
      close: async () => {},
    };
    const log = await openOn(disk, { space, journal: await journalOn(disk, { space }) });
    expect(log.refusal()).toBe(undefined);
    room.bytes = 0;
    // The answer stood when the change was made.
    log.tables.values.set(log, 1, 1);
    await committed(log);
    expect(log.refusal()).toBe('full');
    const outcomes: string[] = [];
    const outcome = (name: string) => (error?: Error) =>
      void outcomes.push(`${name} ${error === undefined ? 'taken' : error.name}`);
    log.add(1, Buffer.from([2, 1]));
    log.commit('sync', outcome('new'));
    log.add(1, Buffer.from([3, 1]));
    log.commit('sync', outcome('settlement'), true);
    log.add(1, Buffer.from([4, 1]));
    log.addRecord('journal', { logId: 1024, stripe: 0, payload: Buffer.from('x') }, () =>
      outcome('record')(),
    );
    log.commit('sync', outcome('new'));
    await log.drained();
    expect(outcomes).toEqual(['new ChangeRefused', 'settlement taken', 'new ChangeRefused']);
    room.bytes = 1e6;
    expect(log.refusal()).toBe(undefined);
    const again = await openOn(disk.kill());
    expect([...again.tables.values.values.keys()]).toEqual([1, 3]);
  });

  it('waits with a frame that the journal has no room for, and keeps the order', async () => {
    const disk = faultyDisk(7);
    let hasRoom = false;
    const space = {
      isFull: false,
      freeBytes: 0,
      hasReserve: true,
      allows: (_bytes: number, isSettlement: boolean) => !isSettlement || hasRoom,
      wrote: () => {},
      check: async () => {},
      close: async () => {},
    };
    const clock = createManualClock();
    const log = await openOn(disk, { space, clock, journal: await journalOn(disk, { space }) });
    const order: number[] = [];
    for (let i = 0; i < 5; i++) {
      log.tables.values.set(log, i, 1);
      log.commit('os', () => order.push(i), true);
      await new Promise(setImmediate);
    }
    await clock.advance(1000);
    expect(order).toEqual([]);
    hasRoom = true;
    await clock.advance(1000);
    await log.drained();
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect((await openOn(disk.kill())).tables.values.values.size).toBe(5);
  });

  it('is crowded above what may wait, has room for settlements then, and says when it is ready', async () => {
    const log = await openOn(faultyDisk(8), { limits: { maxPendingBytes: 100_000, frameBytes: 10_000 } });
    let ready = 0;
    log.onReady = () => ready++;
    const refused: Error[] = [];
    for (let i = 0; i < 11; i++) {
      expect(log.isCrowded()).toBe(i === 10);
      log.add(3, Buffer.alloc(10_000));
      log.commit('os', undefined, true);
    }
    expect(log.isCrowded()).toBe(true);
    log.add(3, Buffer.alloc(10_000));
    log.commit('os', (error) => error && refused.push(error), true);
    await log.drained();
    expect([log.isCrowded(), ready, refused.length]).toEqual([false, 1, 0]);
  });

  it('is busy above half of what may wait, and says when it is ready', async () => {
    const log = await openOn(faultyDisk(8), { limits: { maxPendingBytes: 100_000, frameBytes: 10_000 } });
    let ready = 0;
    log.onReady = () => ready++;
    for (let i = 0; i < 6; i++) {
      expect(log.isBusy()).toBe(i === 5);
      log.add(3, Buffer.alloc(10_000));
      log.commit('os');
    }
    expect(log.isBusy()).toBe(true);
    await log.drained();
    expect([log.isBusy(), ready]).toEqual([false, 1]);
    for (let i = 0; i < 12; i++) {
      log.add(3, Buffer.alloc(10_000));
      log.commit('os');
    }
    expect(log.refusal()).toBe('full');
    await log.drained();
    expect(log.refusal()).toBe(undefined);
  });

  it('gives a large change a frame of its own and refuses one that no append can hold', async () => {
    const disk = faultyDisk(9);
    const limits = { frameBytes: 1000, journal: { ...DEFAULT_LIMITS, maxAppendBytes: 20_000 } };
    const log = await openOn(disk, { limits, journal: await journalOn(disk, { limits: limits.journal }) });
    const small = log.tables.bodies.add(log, 1, Buffer.alloc(10, 1));
    const smallAt = committed(log).then((position) => small(position));
    const large = log.tables.bodies.add(log, 2, Buffer.alloc(15_000, 2));
    const largeAt = committed(log).then((position) => large(position));
    log.add(1, Buffer.from([5, 1]));
    log.tables.bodies.add(log, 3, Buffer.alloc(30_000));
    await expect(committed(log)).rejects.toThrow(/change of 3\d+ bytes is too large/);
    await Promise.all([smallAt, largeAt]);
    const [one, two] = [1, 2].map((key) => log.tables.bodies.places.get(key)?.position);
    expect(one).not.toBe(two);
    expect([...(await openOn(disk.kill())).tables.bodies.places.keys()]).toEqual([1, 2]);
  });

  it('puts more records than an append can hold in front of the frame, and loses none', async () => {
    const disk = faultyDisk(10);
    const limits = { journal: { ...DEFAULT_LIMITS, maxAppendBytes: 20_000 }, frameBytes: 5000 };
    const log = await openOn(disk, { limits, journal: await journalOn(disk, { limits: limits.journal }) });
    const positions: number[] = [];
    let isGathered = true;
    log.onFlush(() => {
      for (let i = 0; isGathered && i < 10; i++) {
        const record = { logId: 1024, stripe: 0, payload: Buffer.alloc(9000, i) };
        log.addRecord('journal', record, (position) => positions.push(position));
      }
      isGathered = false;
    });
    log.tables.values.set(log, 1, 1);
    const at = await committed(log);
    expect(positions).toHaveLength(10);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(positions.filter((position) => position < at).length).toBeGreaterThan(5);
    expect(() =>
      log.addRecord('journal', { logId: 1024, stripe: 0, payload: Buffer.alloc(20_001) }, () => {}),
    ).toThrow(RangeError);
  });

  it('puts more records of other storages than an append can hold into several, in order', async () => {
    const limits = { maxAppendBytes: 20_000 };
    const [memory, object] = [
      await journalOn(faultyDisk(1), { limits }),
      await journalOn(faultyDisk(2), { limits }),
    ];
    const log = await openOn(faultyDisk(15), {
      journals: { memory, object },
      limits: { journal: { ...DEFAULT_LIMITS, ...limits }, frameBytes: 5000 },
    });
    const order: string[] = [];
    log.onFlush(() => {
      for (let i = 0; i < 20 && order.length === 0; i++) {
        const storage = i % 2 === 0 ? 'memory' : 'object';
        const record = { logId: 1024, stripe: 0, payload: Buffer.alloc(7000, i) };
        log.addRecord(storage, record, () => order.push(`${storage} ${i >> 1}`));
      }
    });
    await committed(log, 'os', false, 'object');
    for (const storage of ['memory', 'object']) {
      const own = order.filter((each) => each.startsWith(storage));
      expect(own).toEqual(Array.from({ length: 10 }, (_, i) => `${storage} ${i}`));
    }
    await log.close();
  });

  it('never acknowledges anything after a failed write', async () => {
    const disk = faultyDisk(11);
    const log = await openOn(disk);
    log.tables.values.set(log, 1, 1);
    await committed(log);
    disk.faults = { ...disk.faults, failingSyncOneIn: 1 };
    const outcomes = await Promise.allSettled(
      [2, 3, 4].map((key) => {
        log.tables.values.set(log, key, 1);
        return committed(log, key === 4 ? 'memory' : 'sync');
      }),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    disk.faults = { ...disk.faults, failingSyncOneIn: 0 };
    expect(log.refusal()).toBe('failed');
    log.tables.values.set(log, 5, 1);
    await expect(committed(log, 'memory', true)).rejects.toThrow(/read-only/);
    await expect(log.drained()).rejects.toThrow(/read-only/);
    await log.checkpoint();
    await log.close();
  });

  it('waits for the object storage where it is asked to, whose failure is its own alone', async () => {
    const [disk, objectDisk] = [faultyDisk(12), faultyDisk(13)];
    const object = await journalOn(objectDisk);
    const log = await openOn(disk, { journals: { object } });
    const events: string[] = [];
    const batch = { logId: 1024, stripe: 0, payload: Buffer.from('batch') };
    log.addRecord('object', batch, () => events.push('record'));
    log.tables.values.set(log, 1, 1);
    log.commit('sync', (error) => events.push(`done ${error === undefined}`), false, 'object');
    await log.drained();
    expect(events).toEqual(['record', 'done true']);
    expect(log.refusal('memory')).toBe('failed');
    objectDisk.faults = { ...objectDisk.faults, failingSyncOneIn: 1 };
    log.addRecord('object', batch, () => events.push('never'));
    await expect(committed(log, 'sync', false, 'object')).rejects.toThrow(/read-only/);
    expect([log.refusal(), log.refusal('object')]).toEqual([undefined, 'failed']);
    log.tables.values.set(log, 2, 1);
    await committed(log);
    expect(events).toHaveLength(2);
    const seen: string[] = [];
    const table = {
      ...valueTable(1),
      observe: (_: JournalRecord, storage: string) => void seen.push(storage),
    };
    await openOn(disk.kill(), { tables: [table], journals: { object: await journalOn(objectDisk.kill()) } });
    expect(seen).toContain('object');
  });

  it('lets nobody else wait for a slow object storage, and has its own order there', async () => {
    const answers: (() => void)[] = [];
    const objects = createMemoryObjects();
    let isSlow = false;
    const slow: PutIfAbsent = {
      ...objects,
      async create(key, body) {
        if (isSlow) await new Promise<void>((resolve) => answers.push(resolve));
        return objects.create(key, body);
      },
    };
    const wal = createSealedWal({ objects: slow, check: frameCheck });
    const object = await openJournal({ wal, walId: 'object' });
    const log = await openOn(faultyDisk(14), { journals: { object } });
    isSlow = true;
    const order: string[] = [];
    const change = (name: string, storage: Storage, hasRecord = storage === 'object'): void => {
      log.tables.values.set(log, 1, 1);
      const record = { logId: 1024, stripe: 0, payload: Buffer.from(name) };
      if (hasRecord) log.addRecord('object', record, () => order.push(`record ${name}`));
      log.commit(
        'sync',
        (error) => order.push(error === undefined ? name : `${name} failed`),
        false,
        storage,
      );
    };
    change('a', 'object');
    await new Promise(setImmediate);
    change('b', 'journal');
    await new Promise(setImmediate);
    // Without a record of its own it is behind those that have one.
    change('c', 'object', false);
    await new Promise(setImmediate);
    change('d', 'journal');
    await committed(log);
    expect(order).toEqual(['b', 'd']);
    const { end } = log;
    // Pages of now have not what `a` and `c` do when they are done.
    const before = end();
    let isChecked = false;
    const snapshot = log.snapshot().then(() => {
      isChecked = true;
    });
    await committed(log);
    expect([end(), isChecked]).toEqual([before, false]);
    isSlow = false;
    for (const answer of answers) answer();
    await log.drained();
    expect(order).toEqual(['b', 'd', 'record a', 'a', 'c']);
    await snapshot;
    expect(end()).toBeGreaterThan(before);
    await log.close();
  });

  it('refuses frames of another format and damaged entries, and says where', () => {
    const each = () => {};
    const v = FORMAT_VERSION;
    expect(() => walkEntries(Buffer.from([9, 1, 1, 1]), 77, each)).toThrow(/format 9 at position 77/);
    for (const bytes of [
      [v, 1],
      [v, 1, 5, 0],
      [v, 1, 0x80],
      [v, 1, 255, 255, 255, 255, 255, 255, 1],
    ]) {
      expect(() => walkEntries(Buffer.from(bytes), 77, each)).toThrow(StateLogDamaged);
    }
    expect(() => decodeMark(Buffer.from([v, 2, 0x80]), 5)).toThrow(/position 5/);
    expect(() => walkPages(Buffer.from([v, 0, 4, 200, 1]), 5, each)).toThrow(/position 5/);
  });
});
