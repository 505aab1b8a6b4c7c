/** What is known of a verb for its tests: one row for each, and the tests that each row gives. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPlace, type Place } from './place.ts';
import { asProcess, atTerminal, bundle, hasTerminals, inProcess, type Ran, type Way } from './processes.ts';

export interface VerbRow {
  readonly words: string;
  /** What stands behind the words, without where the broker is; `n` is another number each time. */
  readonly args?: (place: Place, n: number) => readonly string[] | Promise<readonly string[]>;
  readonly input?: string;
  /** What a program gets: a JSON document, lines of JSON, text that is meant for other programs, or no output. */
  readonly prints: 'document' | 'lines' | 'text' | 'nothing';
  /** People get a table, which has to fit. */
  readonly isTable?: boolean;
  /** It sums up what was, however it ended. */
  readonly sumsUp?: boolean;
  /** Where it finds what it is about. */
  readonly reaches: 'administration' | 'mqtt' | 'nothing';
  /** Whether somebody with the role viewer may. */
  readonly viewerMay?: boolean;
  /** The test of its own that runs it, where a row cannot say how. */
  readonly testedBy?: string;
}

/** Each is a process of its own, in every respect, in the long form; in the short form only where it prints for programs. */
const isLong = process.env.ROBUSTMQ_TEST_PROCESSES === 'all';
const COLUMNS = 80;
const COLOR = /\u001b\[[0-9;]*m/;
/** A sentence, at a real terminal in between. */
const LEFT_OUT = /^there is no room for /;
const DEFECT = /^ {4}at |a defect:/m;

if (!hasTerminals) console.warn('There is no `script` of util-linux: no verb is run at a real terminal.');

export function testVerbs(rows: readonly VerbRow[], alongside?: (place: Place) => Promise<() => void>): void {
  let place: Place;
  let end = (): void => {};
  let runs = 0;

  beforeAll(async () => {
    [place] = await Promise.all([openPlace(), bundle()]);
    end = (await alongside?.(place)) ?? end;
  }, 60_000);
  afterAll(async () => {
    end();
    await place.close();
  });

  const way = ({ input }: VerbRow): Way => ({
    environment: { HOME: place.folder, XDG_CONFIG_HOME: place.folder, NO_COLOR: '1' },
    folder: place.folder,
    ...(input === undefined ? {} : { input }),
  });
  const there = ({ reaches }: VerbRow): string[] =>
    reaches === 'administration'
      ? ['--data-dir', place.node.folder]
      : reaches === 'mqtt'
        ? ['--url', place.mqttUrl]
        : [];
  const nowhere = ({ reaches }: VerbRow): string[] =>
    reaches === 'administration'
      ? ['--data-dir', place.inFolder('nothing')]
      : ['--url', `mqtt://127.0.0.1:${place.closedPort}`];
  const elsewhere = (key: string): string[] => ['--url', place.httpUrl, '--api-key-file', key];
  const line = async (row: VerbRow, ...more: readonly string[]): Promise<string[]> => [
    ...row.words.split(' '),
    ...((await row.args?.(place, ++runs)) ?? []),
    ...more,
  ];

  for (const [index, row] of rows.entries()) {
    if (row.testedBy !== undefined) continue;
    const isWhole = isLong || index === 0;
    const runsIt = isWhole ? asProcess : inProcess;

    it(`robustmq ${row.words}`, { timeout: 60_000 }, async () => {
      const form =
        row.prints === 'document' ? ['-o', 'json'] : row.prints === 'lines' ? ['-o', 'ndjson'] : [];
      const piped = await asProcess(await line(row, ...there(row), ...form), way(row));
      expect(piped).toMatchObject({ code: 0 });
      isForPrograms(row, piped);

      if (row.prints === 'document') {
        const short = await inProcess(await line(row, ...there(row), '--json'), way(row));
        expect(short).toMatchObject({ code: 0 });
        isForPrograms(row, short);
      }

      const shown =
        isWhole && hasTerminals
          ? await atTerminal(await line(row, ...there(row)), way(row))
          : await inProcess(await line(row, ...there(row)), way(row), true);
      expect(shown).toMatchObject({ code: 0 });
      expect(shown.out + shown.err).not.toMatch(COLOR);
      expect(shown.out + shown.err).not.toMatch(DEFECT);
      if (row.isTable === true) {
        for (const each of shown.out.split('\n')) {
          if (LEFT_OUT.test(each)) continue;
          expect(each).toHaveLength(Math.min(each.length, COLUMNS));
        }
      }

      const wrong = await runsIt(await line(row, ...there(row), '--nonsense'), way(row));
      expect(wrong).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--nonsense') });

      if (row.reaches === 'nothing') return;
      const away = await runsIt(await line(row, ...nowhere(row)), way(row));
      if (row.sumsUp !== true) expect(away.out).toBe('');
      expect(away).toMatchObject({ code: 5, err: expect.stringMatching(/^robustmq: .+\n$/) });

      if (row.reaches === 'mqtt') {
        const outlaw = await runsIt(await line(row, ...there(row), '--client-id', 'outlaw'), way(row));
        expect(outlaw).toMatchObject({ code: 4, err: expect.stringMatching(/^robustmq: .+\n$/) });
      }
      if (row.reaches !== 'administration' || row.viewerMay === undefined) return;
      const stranger = await runsIt(await line(row, ...elsewhere(place.strangersKey)), way(row));
      expect(stranger).toMatchObject({ code: 4, out: '', err: expect.stringMatching(/^robustmq: .+\n$/) });
      const viewer = await runsIt(await line(row, ...elsewhere(place.viewerKey)), way(row));
      expect(viewer).toMatchObject({ code: row.viewerMay ? 0 : 4 });
      if (!row.viewerMay) expect(viewer.err).toMatch(/^robustmq: .+\n$/);
    });
  }
}

function isForPrograms({ prints }: VerbRow, { out, err }: Ran): void {
  expect(err).not.toMatch(DEFECT);
  expect(out).not.toMatch(COLOR);
  if (prints === 'nothing') expect(out).toBe('');
  else expect(out).toMatch(/\n$/);
  if (prints === 'document') JSON.parse(out);
  if (prints === 'lines') for (const each of out.trimEnd().split('\n')) JSON.parse(each);
}
