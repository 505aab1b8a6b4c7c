/** Completion as a shell does it, and help of every verb. */
import { execFileSync, spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../src/cli/completion.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { testIo } from './support.ts';

const program = buildProgram(testIo(), { exitCode: 0 });
const script = completionScript(program, 'bash');

/** What bash would offer for the last of these words. */
function offered(...words: string[]): string[] {
  const list = ['robustmq', ...words].map((word) => `'${word}'`).join(' ');
  const tried = `${script}
COMP_WORDS=(${list}); COMP_CWORD=${words.length}; COMPREPLY=(); _robustmq; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-c', tried], { encoding: 'utf8' }).trim().split('\n');
}

describe.skipIf(spawnSync('bash', ['--version']).error !== undefined)('completion in bash', () => {
  it('knows verbs, those of the table of operations as well', () => {
    expect(offered('re')).toEqual(expect.arrayContaining(['reload', 'req', 'retained', 'repair']));
    expect(offered('session', '')).toEqual(expect.arrayContaining(['list', 'show', 'end']));
    expect(offered('config', 'd')).toEqual(['diff', 'docs']);
    expect(offered('context', 'u')).toEqual(['use']);
  });

  it('knows options of a verb, behind others too', () => {
    expect(offered('user', 'create', '--pass')).toEqual(['--password-file', '--password-stdin']);
    expect(offered('stop', '--now', '--time')).toEqual(['--timeout']);
    expect(offered('status', '--w')).toEqual(['--wait']);
  });

  it('knows keys of the configuration behind --set', () => {
    expect(offered('start', '--set', 'mqtt.maxQ')).toEqual(['mqtt.maxQos=']);
  });
});

describe('help', () => {
  const verbs = (command: Command, path: string[] = []): { words: string; command: Command }[] =>
    command.commands
      .filter((child) => child.name() !== 'help')
      .flatMap((child) => {
        const words = [...path, child.name()];
        return child.commands.length > 0 ? verbs(child, words) : [{ words: words.join(' '), command: child }];
      });

  it('says of every verb and every option what it does', () => {
    for (const { words, command } of verbs(program)) {
      expect([words, command.description() !== '']).toEqual([words, true]);
      for (const { long, description } of command.options) {
        expect([words, long, description !== '']).toEqual([words, long, true]);
      }
    }
  });

  it('takes a secret as a file or from standard input, never as an option', () => {
    for (const { words, command } of verbs(program)) {
      for (const { long = '', required } of command.options) {
        if (!/pass|secret|api-key|token/.test(long) || !required) continue;
        expect([words, long]).toEqual([words, expect.stringMatching(/-file$|^--secret-access-key-file$/)]);
      }
    }
  });
});
