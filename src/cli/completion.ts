/** Completion scripts for shells, made from the command tree and the configuration's keys. */
import type { Command } from 'commander';
import { keys } from '../config/describe.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Verb {
  /** `config print` */
  readonly name: string;
  readonly words: readonly string[];
  /** Of options that take one of a few. */
  readonly values: readonly { readonly flags: readonly string[]; readonly choices: readonly string[] }[];
}

/** A verb with an alias is there under each of its names. */
function verbsOf(command: Command, path: readonly string[] = []): Verb[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const options = command.options.map((option) => option.long ?? option.short ?? '');
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const own: Verb = {
    name: path.join(' '),
    words: [...children.flatMap(namesOf), ...choices, ...options, '--help'],
    values: command.options.flatMap(({ long, short, argChoices }) =>
      argChoices === undefined ? [] : [{ flags: [long, short].filter(isGiven), choices: argChoices }],
    ),
  };
  const below = children.flatMap((child) =>
    namesOf(child).flatMap((name) => verbsOf(child, [...path, name])),
  );
  return [own, ...below];
}

const namesOf = (command: Command): string[] => [command.name(), ...command.aliases()];
const isGiven = (flag: string | undefined): flag is string => flag !== undefined;

export function completionScript(program: Command, shell: Shell): string {
  const verbs = verbsOf(program);
  const settings = keys().map(({ path }) => `${path}=`);
  return shell === 'fish' ? fish(program, verbs, settings) : bash(verbs, settings, shell);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** zsh runs the same script through its own emulation of bash completion. */
function bash(verbs: readonly Verb[], settings: readonly string[], shell: Shell): string {
  const cases = verbs.map(({ name, words }) => `    ${quoted(name)}) words=${quoted(words.join(' '))} ;;`);
  const values = verbs.flatMap((verb) =>
    verb.values.flatMap(({ flags, choices }) =>
      flags.map((flag) => `    ${quoted(`${verb.name} ${flag}`)}) words=${quoted(choices.join(' '))} ;;`),
    ),
  );
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
  case "$verb $previous" in
${values.join('\n')}
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
  for (const { name, words, values } of verbs) {
    if (name === '') continue;
    const condition = name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ');
    for (const word of words) {
      const choices = values.find(({ flags }) => flags.includes(word))?.choices;
      const value = choices === undefined ? '' : ` -x -a ${quoted(choices.join(' '))}`;
      const candidate = word.startsWith('--') ? `-l ${word.slice(2)}${value}` : `-f -a ${word}`;
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
