/** Completion as a shell does it, and help of every verb. */
import { execFileSync, spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../src/cli/completion.ts';
import { buildProgram, run } from '../../src/cli/program.ts';
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
    expect(offered('start', '--set', '=', 'mqtt.maxQ')).toEqual(['mqtt.maxQos=']);
    expect(offered('start', '--set', 'mqtt.maxQos', '=')).toEqual(['']);
  });

  it('knows what an option or an argument may be', () => {
    expect(offered('tail', '--format', '')).toEqual(['text', 'json', 'hex']);
    expect(offered('tail', '--format', '=')).toEqual(['text', 'json', 'hex']);
    expect(offered('ban', 'create', '')).toEqual(['client', 'user', 'network']);
  });

  it('leaves names of files to the shell: behind an option that takes something, and where an argument stands', () => {
    expect(offered('start', '--config', '')).toEqual(['']);
    expect(offered('pub', '-f', '')).toEqual(['']);
    expect(offered('backup', '')).toEqual(['']);
    expect(offered('events', '-f', '--la')).toEqual(['--last']);
    expect(offered('start', '')).toContain('--config');
  });
});

/** A shell of which the script is asked for; its own configuration is not read. */
function tried(shell: string, args: readonly string[], text: string): string {
  const { stdout, stderr } = spawnSync(shell, [...args, text], {
    encoding: 'utf8',
    env: { ...process.env, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' },
  });
  expect(stderr).toBe('');
  return stdout.trim();
}

describe.skipIf(spawnSync('fish', ['--version']).error !== undefined)('completion in fish', () => {
  /** What fish would offer at the end of this line. */
  function inFish(line: string): string[] {
    const before = completionScript(program, 'fish');
    return tried('fish', ['--no-config', '-c'], `${before}\ncomplete -C '${line}'`)
      .split('\n')
      .map((each) => each.split('\t')[0] ?? '');
  }

  it('knows verbs, options, and what they may be', () => {
    expect(inFish('robustmq session ')).toEqual(['end', 'list', 'show']);
    expect(inFish('robustmq session list -o ')).toEqual(['json', 'ndjson', 'table', 'wide', 'yaml']);
    expect(inFish('robustmq user create --pass')).toEqual(['--password-file', '--password-stdin']);
    expect(inFish('robustmq start --set=mqtt.maxQ')).toEqual(['--set=mqtt.maxQos=']);
    expect(inFish('robustmq context ls --js')).toEqual(['--json']);
  });

  it('takes an argument that is called like a verb for what it is', () => {
    expect(inFish('robustmq pub session --ret')).toEqual(['--retain']);
  });

  it('offers files where they belong', () => {
    expect(inFish('robustmq start --config package-l')).toEqual(['package-lock.json']);
    expect(inFish('robustmq import package-l')).toEqual(['package-lock.json']);
  });
});

describe.skipIf(spawnSync('zsh', ['--version']).error !== undefined)('completion in zsh', () => {
  it("brings zsh's own completion where nobody has turned that on", () => {
    const loaded = `${completionScript(program, 'zsh')}\nwhence -w compdef _robustmq`;
    expect(tried('zsh', ['-f', '-c'], loaded)).toBe('compdef: function\n_robustmq: function');
  });
});

describe('help of each verb', () => {
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

  it('shows what is usual as it would be given', () => {
    for (const { words, command } of verbs(program)) {
      const help = command.helpInformation();
      expect([words, help.match(/default: (?:\[\]|"")/)]).toEqual([words, null]);
      for (const { flags, defaultValueDescription } of command.options) {
        if (!/<duration>/.test(flags)) continue;
        const usual = command.options.find((option) => option.flags === flags)?.defaultValue as unknown;
        expect([words, flags, defaultValueDescription ?? '']).toEqual([
          words,
          flags,
          expect.stringMatching(usual === undefined ? /^$/ : /^\d+(?:ms|s|m|h)$/),
        ]);
      }
    }
  });

  it('says what an argument may be, and takes nothing else', async () => {
    const create = verbs(program).find(({ words }) => words === 'ban create')?.command;
    expect(create?.helpInformation()).toContain('(choices: "client", "user",');
    const io = testIo();
    expect(await run(['ban', 'create', 'machine', 'x'], io)).toBe(2);
    expect(io.errText()).toContain('Allowed choices are client, user, network.');
  });
});
