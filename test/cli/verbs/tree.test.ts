/** Every verb has a row, help with an example, JSON for programs, and its place in the scripts for shells. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../../src/cli/completion.ts';
import { ExitCode } from '../../../src/cli/exit-codes.ts';
import { buildProgram, run } from '../../../src/cli/program.ts';

import { testIo } from '../support.ts';
import { ACCESS } from './rows/access.ts';
import { CHANGE } from './rows/change.ts';
import { LOCAL } from './rows/local.ts';
import { LOOK } from './rows/look.ts';
import { LOOK_RECORDS } from './rows/look-records.ts';
import { TRAFFIC } from './rows/traffic.ts';
import { walk } from './tree.ts';

const program = buildProgram(testIo(), { exitCode: 0 });
const tree = walk(program).map((each) => ({ ...each, words: each.path.join(' ') }));
const verbs = tree.filter(({ isRun }) => isRun);
const rows = [...LOOK, ...LOOK_RECORDS, ...CHANGE, ...ACCESS, ...TRAFFIC, ...LOCAL];
const optionsOf = (command: Command): string[] => command.options.map(({ long }) => long ?? '');

describe('each verb of the command', () => {
  it('has one row that runs it as a process', () => {
    expect(rows.map(({ words }) => words).sort()).toEqual(verbs.map(({ words }) => words).sort());
    for (const { words, testedBy } of rows) {
      if (testedBy === undefined) continue;
      const file = new URL(testedBy, import.meta.url);
      expect([words, existsSync(file)]).toEqual([words, true]);
      expect(readFileSync(file, 'utf8')).toContain(words);
    }
  });

  it('has help with an example, which is of that verb', async () => {
    for (const { path, words } of verbs) {
      const io = testIo();
      const code = await run([...path, '--help'], io);
      expect([words, code, io.errText()]).toEqual([words, 0, '']);
      const [, examples = ''] = io.outText().split('Examples:\n');
      expect([words, examples.includes(`robustmq ${words}`)]).toEqual([words, true]);
    }
  });

  it('gives programs JSON by the same two options', () => {
    for (const { words, prints } of rows) {
      if (prints !== 'document') continue;
      const found = verbs.find((each) => each.words === words)?.command;
      expect([words, found === undefined ? [] : optionsOf(found)]).toEqual([
        words,
        expect.arrayContaining(['--output', '--json']),
      ]);
    }
  });

  it('takes secrets out of files, standard input and the environment, where other users of the machine do not see them (item 48)', () => {
    const secretive = verbs.flatMap(({ words, command }) =>
      optionsOf(command)
        .filter((option) => /password|secret|token|api-key|passphrase/.test(option))
        .map((option) => `${words} ${option}`),
    );
    expect(secretive.length).toBeGreaterThan(20);
    expect(secretive.filter((each) => !/-(?:file|stdin)$/.test(each))).toEqual([]);
  });

  it('refuses an option that it does not have, and says how to get help', async () => {
    for (const { path, words } of verbs) {
      const io = testIo();
      expect([words, await run([...path, '--nonsense'], io), io.outText()]).toEqual([words, 2, '']);
      expect(io.errText()).toMatch(/^error: .*\n/);
    }
  });
});

describe('exit codes', () => {
  it('are in the help of the command and on its page', async () => {
    const io = testIo();
    await run(['--help'], io);
    const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
    for (const code of Object.values(ExitCode)) {
      expect(io.outText()).toMatch(new RegExp(`Exit codes:.*\\b${code} \\w`));
      expect(page).toMatch(new RegExp(`^\\| ${code} \\| \\S`, 'm'));
    }
  });
});

describe('completion', () => {
  it('has every verb and every option for fish', () => {
    const lines = completionScript(program, 'fish').split('\n');
    for (const { words, command } of tree) {
      const at = lines.findIndex(
        (line, i) => line === `    case '${words}'` && lines[i + 1]?.startsWith('      set words ') === true,
      );
      const offered = [...(lines[at + 1] ?? '').matchAll(/'([^'\t]*)/g)].map((found) => found[1]);
      const below = command.commands.flatMap((child) => [child.name(), ...child.aliases()]);
      expect([words, offered]).toEqual([
        words,
        expect.arrayContaining([...optionsOf(command), ...below, '--help']),
      ]);
    }
  });

  it.each(['bash', 'zsh'] as const)('has every verb and every option for %s', (shell) => {
    const script = completionScript(program, shell);
    for (const { words, command } of tree) {
      const found = script.split('\n').find((line) => line.startsWith(`    '${words}') words='`));
      const offered = found?.slice(found.indexOf("words='") + 7).split(/[ ']/) ?? [];
      const below = command.commands.flatMap((child) => [child.name(), ...child.aliases()]);
      expect([words, offered]).toEqual([
        words,
        expect.arrayContaining([...optionsOf(command), ...below, '--help']),
      ]);
    }
  });

  it.each(['bash', 'zsh', 'fish'] as const)('is a script that %s takes', (shell) => {
    if (spawnSync(shell, ['--version']).error !== undefined) {
      console.warn(`There is no ${shell}: its completion is not parsed.`);
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'robustmq-completion-'));
    try {
      // fish does not read to its end what it is only to parse, where that comes through a pipe.
      const file = join(folder, 'script');
      writeFileSync(file, completionScript(program, shell));
      execFileSync(shell, ['-n', file]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('goes on behind an alias as behind the name', () => {
    if (spawnSync('bash', ['--version']).error !== undefined) return;
    const tried = `${completionScript(program, 'bash')}
COMP_WORDS=(robustmq context ls --js); COMP_CWORD=3; COMPREPLY=(); _robustmq; echo "\${COMPREPLY[@]}"
COMP_WORDS=(robustmq session list -o n); COMP_CWORD=4; COMPREPLY=(); _robustmq; echo "\${COMPREPLY[@]}"
COMP_WORDS=(robustmq completion f); COMP_CWORD=2; COMPREPLY=(); _robustmq; echo "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['--norc', '-c', tried], { encoding: 'utf8' })).toBe(
      '--json\nndjson\nfish\n',
    );
  });
});
