import { appendFile, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Audit,
  type AuditOptions,
  AuditUnavailable,
  openAudit,
} from '../../../src/security/audit/audit.ts';
import type { AuditEntry, AuditEvent } from '../../../src/security/audit/entry.ts';
import type { AppendFile } from '../../../src/security/audit/files.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'audit-'));
  cleanUp.push(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'audit');
}

async function openIn(
  directory: string,
  about: Partial<AuditOptions['config']> & { openFile?: AuditOptions['openFile'] } = {},
): Promise<Audit> {
  const { openFile, ...config } = about;
  const audit = await openAudit({
    directory,
    config: { maxFileBytes: 1_000_000, maxFiles: 4, onFailure: 'refuse', ...config },
    clock: createManualClock(),
    openFile,
  });
  cleanUp.push(() => audit.close());
  return audit;
}

const event = (about: Partial<AuditEvent> = {}): AuditEvent => ({
  user: 'ann',
  tenant: '',
  via: 'http',
  remoteAddress: '192.0.2.1',
  operation: 'roles.update',
  input: {},
  result: 'ok',
  ...about,
});

async function everything(audit: Audit, limit: number, filter = {}): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  let cursor: string | undefined;
  do {
    const page = await audit.read({ ...filter, cursor, limit });
    if (page === undefined) throw new Error('the cursor was not known');
    entries.push(...page.entries);
    cursor = page.next;
  } while (cursor !== undefined);
  return entries;
}

/** Files whose writes or syncs fail while `fails` says so. */
function faulty() {
  const state: { fails: 'never' | 'write' | 'short' | 'sync' | 'open' } = { fails: 'never' };
  const error = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const openFile = async (path: string, isNew: boolean): Promise<AppendFile> => {
    if (state.fails === 'open') throw error;
    const file = await open(path, isNew ? 'ax' : 'a', 0o600);
    return {
      async writev(buffers: readonly NodeJS.ArrayBufferView[]) {
        if (state.fails === 'write') throw error;
        if (state.fails === 'short') {
          const [first] = buffers as readonly Buffer[];
          const { bytesWritten } = await file.write(first?.subarray(0, 5) ?? '');
          return { bytesWritten, buffers: [...buffers] };
        }
        return file.writev([...buffers]);
      },
      datasync: () => (state.fails === 'sync' ? Promise.reject(error) : file.datasync()),
      close: () => file.close(),
      stat: file.stat.bind(file),
    } as AppendFile;
  };
  return { state, openFile };
}

describe('the audit log', () => {
  it('has who did what from where and what became of it, in files of their owner alone', async () => {
    const directory = await newDirectory();
    const audit = await openIn(directory);
    expect(await audit.note(event({ input: { name: 'r' }, durationMs: 3 }))).toBe(true);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, 'audit-00000001.jsonl'))).mode & 0o777).toBe(0o600);
    const [line = ''] = (await readFile(join(directory, 'audit-00000001.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(line)).toEqual({
      sequence: 1,
      at: '2026-01-01T00:00:00.000Z',
      user: 'ann',
      tenant: '',
      via: 'http',
      remoteAddress: '192.0.2.1',
      operation: 'roles.update',
      result: 'ok',
      durationMs: 3,
      input: { name: 'r' },
      previous: '',
    });
  });

  it('is read from its end in pages, over files, and by what is asked for', async () => {
    const audit = await openIn(await newDirectory(), { maxFileBytes: 2000, maxFiles: 100 });
    for (let i = 0; i < 60; i++) {
      await audit.note(
        event({
          user: i % 2 === 0 ? 'ann' : 'bob',
          operation: i % 3 === 0 ? 'users.create' : 'roles.update',
        }),
      );
    }
    for (const limit of [1, 7, 1000]) {
      const sequences = (await everything(audit, limit)).map(({ sequence }) => sequence);
      expect(sequences).toEqual(Array.from({ length: 60 }, (_, i) => 60 - i));
    }
    expect(await everything(audit, 7, { user: 'bob', operation: 'users' })).toHaveLength(10);
    expect(await everything(audit, 7, { operation: 'user' })).toHaveLength(0);
    expect(await everything(audit, 7, { untilMs: 0 })).toHaveLength(0);
    expect(await audit.read({ cursor: '1', limit: 1 })).toBeUndefined();
    expect(await audit.read({ cursor: '../etc:1', limit: 1 })).toBeUndefined();
  });

  it('keeps as many files as it may, and goes on with its numbers after a start', async () => {
    const directory = await newDirectory();
    const first = await openIn(directory, { maxFileBytes: 1000, maxFiles: 3 });
    for (let i = 0; i < 30; i++) await first.note(event());
    await first.close();
    const names = (await readdir(directory)).filter((name) => name !== 'head').toSorted();
    expect(names).toHaveLength(3);
    const second = await openIn(directory, { maxFileBytes: 1000, maxFiles: 3 });
    await second.note(event());
    const [newest] = (await second.read({ limit: 1 }))?.entries ?? [];
    expect(newest?.sequence).toBe(31);
    for (let i = 0; i < 3; i++) {
      const again = await openIn(directory, { maxFileBytes: 1_000_000, maxFiles: 3 });
      await again.note(event());
      await again.close();
    }
    expect((await readdir(directory)).filter((name) => name !== 'head').length).toBeLessThanOrEqual(3);
  });

  it('many at once are one write, in order', async () => {
    const { state, openFile } = faulty();
    let writes = 0;
    const counted: AuditOptions['openFile'] = async (path, isNew) => {
      const file = await openFile(path, isNew);
      const datasync = (): Promise<void> => {
        writes++;
        return file.datasync();
      };
      return { ...file, datasync };
    };
    const audit = await openIn(await newDirectory(), { openFile: counted });
    const noted = await Promise.all(Array.from({ length: 200 }, () => audit.note(event())));
    expect(noted.every(Boolean)).toBe(true);
    expect(writes).toBeLessThan(4);
    expect(state.fails).toBe('never');
    expect((await everything(audit, 50)).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 200 }, (_, i) => 200 - i),
    );
  });

  it('passes over what a crash cut off, and what is no line', async () => {
    const directory = await newDirectory();
    const first = await openIn(directory);
    await first.note(event());
    await first.close();
    await appendFile(join(directory, 'audit-00000001.jsonl'), '{"sequence":2,"at":"20');
    const second = await openIn(directory);
    await second.note(event());
    const page = await second.read({ limit: 10 });
    expect(page?.entries.map(({ sequence }) => sequence)).toEqual([2, 1]);
    expect(page?.unreadable).toBe(1);
    await second.close();
    await writeFile(join(directory, 'audit-00000002.jsonl'), 'x'.repeat(600_000));
    const third = await openIn(directory, { maxFileBytes: 100 });
    await third.note(event());
    expect((await third.read({ limit: 10 }))?.entries.map(({ sequence }) => sequence)).toEqual([3, 2, 1]);
  });

  it('is an alarm as long as it cannot be written, loses nothing that was durable, and recovers', async () => {
    const directory = await newDirectory();
    const { state, openFile } = faulty();
    const audit = await openIn(directory, { openFile, maxFiles: 2 });
    const alarms: (string | undefined)[] = [];
    audit.onAlarm((failure) => alarms.push(failure?.message));
    expect(await audit.note(event())).toBe(true);
    for (const fails of ['write', 'short', 'sync', 'open'] as const) {
      state.fails = fails;
      for (let i = 0; i < 5; i++) expect(await audit.note(event())).toBe(false);
      expect(audit.failure()).toBeDefined();
    }
    expect(alarms).toHaveLength(1);
    expect(audit.counters()).toEqual({ written: 1, lost: 20 });
    state.fails = 'never';
    expect(await audit.note(event({ operation: 'after' }))).toBe(true);
    expect(alarms).toHaveLength(2);
    expect(audit.failure()).toBeUndefined();
    const [first, last] = [(await everything(audit, 3))[0], (await everything(audit, 3)).at(-1)];
    expect([first?.operation, last?.sequence]).toEqual(['after', 1]);
    expect((await readdir(directory)).filter((name) => name !== 'head')).toHaveLength(2);
  });
});

describe('changes', () => {
  const change = { ...event(), result: undefined, input: { name: 'r' } };

  it('are noted before they are made and when they are done, with what they came to', async () => {
    const audit = await openIn(await newDirectory());
    expect(await audit.change(change, async () => 7)).toBe(7);
    await audit.change(
      change,
      async () => 'exists',
      (reason) => ({ result: 'refused', reason }),
    );
    await expect(audit.change(change, () => Promise.reject(new TypeError('secret inside')))).rejects.toThrow(
      'secret',
    );
    const entries = await everything(audit, 10);
    expect(
      entries.toReversed().map(({ sequence, result, reason, change: of }) => [sequence, result, reason, of]),
    ).toEqual([
      [1, 'begun', undefined, undefined],
      [2, 'ok', undefined, 1],
      [3, 'begun', undefined, undefined],
      [4, 'refused', 'exists', 3],
      [5, 'begun', undefined, undefined],
      [6, 'failed', 'TypeError', 5],
    ]);
  });

  it('are not made where they cannot be noted, unless that is configured', async () => {
    const { state, openFile } = faulty();
    state.fails = 'sync';
    let made = 0;
    const make = async (): Promise<number> => ++made;
    const strict = await openIn(await newDirectory(), { openFile });
    await expect(strict.change(change, make)).rejects.toThrow(AuditUnavailable);
    expect(made).toBe(0);
    const lenient = await openIn(await newDirectory(), { openFile, onFailure: 'continue' });
    expect(await lenient.change(change, make)).toBe(1);
    await strict.close();
    await expect(strict.change(change, make)).rejects.toThrow(AuditUnavailable);
  });

  it('are refused when too many wait, rather than kept in memory', async () => {
    const audit = await openIn(await newDirectory());
    const noted = await Promise.all(Array.from({ length: 6000 }, () => audit.note(event())));
    expect(noted.filter(Boolean).length).toBeLessThan(6000);
    expect(noted.filter(Boolean).length).toBe(audit.counters().written);
    expect(await audit.note(event())).toBe(true);
  });
});
