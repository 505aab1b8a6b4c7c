import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Audit, type AuditOptions, openAudit } from '../../../src/security/audit/audit.ts';
import { chained, formatHead, hashOfLine, parseHead, previousOf } from '../../../src/security/audit/chain.ts';
import type { AppendFile } from '../../../src/security/audit/files.ts';
import { readHead } from '../../../src/security/audit/head-file.ts';
import { filesAtRest, verifyAudit } from '../../../src/security/audit/verify.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'audit-chain-'));
  cleanUp.push(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'audit');
}

const config = { maxFileBytes: 1500, maxFiles: 100, onFailure: 'refuse' } as const;

async function openIn(directory: string, about: Partial<AuditOptions> = {}): Promise<Audit> {
  const audit = await openAudit({ directory, config, clock: createManualClock(), ...about });
  cleanUp.push(() => audit.close());
  return audit;
}

async function note(audit: Audit, count: number): Promise<void> {
  const event = { user: 'ann', tenant: '', via: 'http', remoteAddress: '192.0.2.1', result: 'ok' } as const;
  // Those of a group are one write: a disk that is busy takes its time for each.
  for (let i = 0; i < count; i += 4) {
    const group = Array.from({ length: Math.min(4, count - i) }, (_, own) => ({ i: i + own }));
    await Promise.all(group.map((input) => audit.note({ ...event, operation: 'roles.update', input })));
  }
}

/** A log of some files. */
async function logOf(count: number, about: Partial<AuditOptions> = {}): Promise<string> {
  const directory = await newDirectory();
  const audit = await openIn(directory, about);
  await note(audit, count);
  await audit.close();
  return directory;
}

const verify = async (directory: string, expected?: string) =>
  verifyAudit({
    files: filesAtRest(directory),
    head: await readHead(directory),
    ...(expected === undefined ? {} : { expected: parseHead(expected) }),
  });

const filesOf = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith('.jsonl')).toSorted();

async function edit(directory: string, file: number, change: (lines: string[]) => string[]): Promise<string> {
  const name = (await filesOf(directory))[file] ?? '';
  const path = join(directory, name);
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  await writeFile(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
  );
  return name;
}

describe('the chain of the audit log', () => {
  it('is whole over files and starts', async () => {
    const directory = await newDirectory();
    for (let start = 0; start < 3; start++) {
      const audit = await openIn(directory);
      await note(audit, 15);
      expect(await audit.verify()).toMatchObject({ isSound: true, entries: 15 * (start + 1) });
      await audit.close();
    }
    const found = await verify(directory);
    expect(found).toMatchObject({
      isSound: true,
      entries: 45,
      firstSequence: 1,
      lastSequence: 45,
      unchained: 0,
      unreadable: 0,
      givenUp: 0,
      broken: null,
    });
    expect(found.files).toBeGreaterThan(3);
    expect(found.lastHash).toBe((await readHead(directory))?.hash);
  });

  it('names the first entry that does not follow, whatever is done to a line', async () => {
    const directory = await logOf(40);
    const original = new Map<string, string>();
    for (const name of await filesOf(directory))
      original.set(name, await readFile(join(directory, name), 'utf8'));
    const all = [...original].flatMap(([name, text]) =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line, index) => ({ name, index, line })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(all.length - 1),
        fc.constantFrom('change', 'remove', 'double', 'swap', 'forge'),
        async (at, how) => {
          const { name, index } = all[at] ?? { name: '', index: 0 };
          const lines = (original.get(name) ?? '').split('\n').slice(0, -1);
          const [line = '', next = ''] = lines.slice(index);
          if (how === 'change') lines[index] = line.replace('"ann"', '"eve"');
          if (how === 'remove') lines.splice(index, 1);
          if (how === 'double') lines.splice(index, 0, line);
          if (how === 'swap') lines.splice(index, 2, next, line);
          if (how === 'forge') lines.splice(index, 0, line.replace('"ann"', '"eve"'));
          await writeFile(
            join(directory, name),
            lines
              .filter((each) => each !== '')
              .map((each) => `${each}\n`)
              .join(''),
          );
          const { isSound, broken } = await verify(directory);
          await writeFile(join(directory, name), original.get(name) ?? '');
          // The last of a file has nobody to change places with.
          const isTouched = how !== 'swap' || next !== '';
          expect(isSound).toBe(!isTouched);
          // At the entry, or where it should have been followed.
          if (isTouched) expect(Math.abs((broken?.sequence ?? 0) - (at + 1))).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 30 },
    );
    expect(await verify(directory)).toMatchObject({ isSound: true });
  });

  it('misses what was taken from its end, at once and after the next start', async () => {
    const directory = await logOf(20);
    const noted = formatHead((await readHead(directory)) ?? { sequence: 0, hash: '' });
    await edit(directory, (await filesOf(directory)).length - 1, (lines) => lines.slice(0, -1));
    expect((await verify(directory)).broken).toMatchObject({ line: 0, sequence: 20 });
    const missing: number[] = [];
    const audit = await openIn(directory, { onMissing: ({ sequence }) => missing.push(sequence) });
    await note(audit, 3);
    expect(missing).toEqual([20]);
    expect((await audit.verify()).broken).toMatchObject({ sequence: 21 });
    // What was noted elsewhere tells too.
    expect(await verify(directory, noted)).toMatchObject({ expected: 'missing', isSound: false });
  });

  it('made anew as a whole is told by a hash that was noted elsewhere, and by nothing else', async () => {
    const directory = await logOf(10);
    const anchor = formatHead((await readHead(directory)) ?? { sequence: 0, hash: '' });
    expect(await verify(directory, anchor)).toMatchObject({ isSound: true, expected: 'found' });
    let previous = '';
    for (const name of await filesOf(directory)) {
      const lines = (await readFile(join(directory, name), 'utf8')).split('\n').slice(0, -1);
      const forged = lines.map((line) => {
        const { previous: _, ...entry } = JSON.parse(line);
        const made = chained(Buffer.from(`${JSON.stringify({ ...entry, user: 'eve' })}\n`), previous);
        previous = hashOfLine(made);
        return made;
      });
      await writeFile(join(directory, name), Buffer.concat(forged));
    }
    await writeFile(join(directory, 'head'), `10:${previous}\n`);
    expect(await verify(directory)).toMatchObject({ isSound: true });
    expect(await verify(directory, anchor)).toMatchObject({ isSound: false, expected: 'differs' });
  });

  it('misses a file from between, and not those that gave way', async () => {
    const directory = await logOf(40);
    const names = await filesOf(directory);
    await unlink(join(directory, names[0] ?? ''));
    expect(await verify(directory)).toMatchObject({ isSound: true });
    expect((await verify(directory)).firstSequence).toBeGreaterThan(1);
    await unlink(join(directory, names[2] ?? ''));
    expect((await verify(directory)).broken).toMatchObject({ file: names[3], line: 1 });
  });

  it('goes on behind what is durable when a write fails, and behind a line that a crash cut off', async () => {
    let isFull = false;
    const { open } = await import('node:fs/promises');
    const openFile = async (path: string, isNew: boolean): Promise<AppendFile> => {
      const file = await open(path, isNew ? 'ax' : 'a');
      const writev: AppendFile['writev'] = async (...given) => {
        const written = await file.writev(...given);
        // It is there, but nobody knows.
        if (isFull) throw Object.assign(new Error('I/O error'), { code: 'EIO' });
        return written;
      };
      return {
        writev,
        datasync: () => file.datasync(),
        close: () => file.close(),
        stat: (() => file.stat()) as AppendFile['stat'],
      };
    };
    const directory = await newDirectory();
    const audit = await openIn(directory, { openFile });
    await note(audit, 3);
    isFull = true;
    await note(audit, 1);
    isFull = false;
    await note(audit, 3);
    expect(await audit.verify()).toMatchObject({ isSound: true, givenUp: 1, lastSequence: 7 });
    await audit.close();
    const last = (await filesOf(directory)).at(-1) ?? '';
    await appendFile(join(directory, last), '{"sequence":8,"at":"2026-');
    const next = await openIn(directory);
    await note(next, 2);
    expect(await next.verify()).toMatchObject({ isSound: true, unreadable: 1, lastSequence: 9 });
  });

  it('begins behind entries from before there was one', async () => {
    const directory = await logOf(4);
    await edit(directory, 0, (lines) => lines.map((line) => line.replace(/,"previous":"[^"]*"\}$/, '}')));
    await rm(join(directory, 'head'));
    const audit = await openIn(directory);
    await note(audit, 2);
    expect(await audit.verify()).toMatchObject({ isSound: true, unchained: 4, entries: 6 });
    await audit.close();
    await edit(directory, 0, (lines) =>
      lines.map((line, i) => (i === 3 ? line.replace('ann', 'eve') : line)),
    );
    expect((await verify(directory)).broken).toMatchObject({ sequence: 5 });
  });

  it('is whole after the process was killed', async () => {
    const directory = await newDirectory();
    const module = fileURLToPath(new URL('../../../src/security/audit/audit.ts', import.meta.url));
    const clock = fileURLToPath(new URL('../../../src/kernel/clock.ts', import.meta.url));
    const code = `
      const { openAudit } = await import(${JSON.stringify(module)});
      const { systemClock: clock } = await import(${JSON.stringify(clock)});
      const audit = await openAudit({ directory: ${JSON.stringify(directory)}, clock, config: ${JSON.stringify(config)} });
      const event = { user: 'ann', tenant: '', via: 'http', remoteAddress: '', operation: 'x', input: {}, result: 'ok' };
      let count = 0;
      for (;;) {
        await Promise.all([audit.note(event), audit.note(event), audit.note(event)]);
        if (++count === 5) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 5);
      }`;
    await new Promise<void>((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], () => resolve());
    });
    const before = await verify(directory);
    expect(before).toMatchObject({ isSound: true });
    expect(before.entries).toBeGreaterThanOrEqual(15);
    const audit = await openIn(directory);
    await note(audit, 5);
    expect(await audit.verify()).toMatchObject({ isSound: true, entries: before.entries + 5 });
  });

  it('is read from lines, and from what was noted elsewhere', () => {
    const line = chained(Buffer.from('{"a":1}\n'), '');
    expect(line.toString()).toBe('{"a":1,"previous":""}\n');
    expect(previousOf(line.toString())).toBe('');
    const hash = hashOfLine(line);
    expect(previousOf(chained(Buffer.from('{"a":1}\n'), hash).toString())).toBe(hash);
    expect(previousOf('{"input":{"previous":"x"}}')).toBeUndefined();
    expect(parseHead(`12:${hash}\n`)).toEqual({ sequence: 12, hash });
    for (const text of ['', '12', `x:${hash}`, '12:abc']) expect(parseHead(text)).toBeUndefined();
  });
});
