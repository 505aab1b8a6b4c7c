/** Completion scripts for shells, made from the command tree and the configuration's keys. */
import type { Command } from 'commander';
import { keys } from '../config/describe.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Verb {
  /** `config print` */
  readonly name: string;
  readonly description: string;
  readonly words: readonly string[];
}

function verbsOf(command: Command, path: readonly string[] = []): Verb[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const options = command.options.map((option) => option.long ?? option.short ?? '');
  const own: Verb = {
    name: path.join(' '),
    description: command.description(),
    words: [...children.map((child) => child.name()), ...options, '--help'],
  };
  return [own, ...children.flatMap((child) => verbsOf(child, [...path, child.name()]))];
}

export function completionScript(program: Command, shell: Shell): string {
  const verbs = verbsOf(program);
  const settings = keys().map(({ path }) => `${path}=`);
  return shell === 'fish' ? fish(program, verbs, settings) : bash(verbs, settings, shell);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** zsh runs the same script through its own emulation of bash completion. */
function bash(verbs: readonly Verb[], settings: readonly string[], shell: Shell): string {
  const cases = verbs.map(({ name, words }) => `    ${quoted(name)}) words=${quoted(words.join(' '))} ;;`);
  const names = verbs.map(({ name }) => name).filter((name) => name !== '');
  const prelude = shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : '';
  return `${prelude}_robustmq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" verb="" words="" i
  if [ "$previous" = "--set" ] || [ "$previous" = "-s" ]; then
    compopt -o nospace 2>/dev/null
    COMPREPLY=( $(compgen -W ${quoted(settings.join(' '))} -- "$current") )
    return
  fi
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case "\${verb:+$verb }\${COMP_WORDS[i]}" in
      ${names.map((name) => quoted(name)).join('|')}) verb="\${verb:+$verb }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verb" in
${cases.join('\n')}
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _robustmq robustmq
`;
}

/** Verbs of the first level with something below them that takes a configuration. */
const settable = (verbs: readonly Verb[]): string[] =>
  verbs.filter(({ words }) => words.includes('--set')).map(({ name }) => name.split(' ')[0] ?? name);

function fish(program: Command, verbs: readonly Verb[], settings: readonly string[]): string {
  const lines = program.commands.map(
    (child) =>
      `complete -c robustmq -n __fish_use_subcommand -f -a ${child.name()} -d ${quoted(child.description())}`,
  );
  for (const { name, words } of verbs) {
    if (name === '') continue;
    const condition = name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ');
    for (const word of words) {
      const candidate = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      lines.push(`complete -c robustmq -n ${quoted(condition)} ${candidate}`);
    }
  }
  for (const verb of new Set(settable(verbs))) {
    lines.push(
      `complete -c robustmq -n ${quoted(`__fish_seen_subcommand_from ${verb}`)} -l set -s s -x -a ${quoted(settings.join(' '))}`,
    );
  }
  return `${lines.join('\n')}\n`;
}
