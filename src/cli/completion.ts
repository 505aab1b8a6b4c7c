/** Completion scripts for shells, made from the command tree and the configuration's keys. */
import type { Command, Option } from 'commander';
import { keys } from '../config/describe.ts';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Verb {
  /** `config print` */
  readonly name: string;
  readonly description: string;
  readonly children: readonly { readonly name: string; readonly description: string }[];
  /** Nothing but options comes behind it, so that they are offered before a `-` is there. */
  readonly isComplete: boolean;
  /** What its arguments may be, where that is one of a few, and its options. */
  readonly words: readonly string[];
  /** Of options that take one of a few. */
  readonly values: readonly { readonly flags: readonly string[]; readonly choices: readonly string[] }[];
  /** Flags that are followed by a value, and flags that are not. */
  readonly taking: readonly string[];
  readonly bare: readonly string[];
}

/** A verb with an alias is there under each of its names. */
function verbsOf(command: Command, path: readonly string[] = []): Verb[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const own: Verb = {
    name: path.join(' '),
    description: command.description(),
    children: children.flatMap((child) =>
      namesOf(child).map((name) => ({ name, description: child.description() })),
    ),
    isComplete: children.length === 0 && command.registeredArguments.length === 0,
    words: [...choices, ...command.options.map(({ long, short }) => long ?? short ?? ''), '--help'],
    values: command.options.flatMap((option) =>
      option.argChoices === undefined ? [] : [{ flags: flagsOf(option), choices: option.argChoices }],
    ),
    taking: command.options.filter(({ required }) => required).flatMap(flagsOf),
    bare: command.options.filter(({ required }) => !required).flatMap(flagsOf),
  };
  const below = children.flatMap((child) =>
    namesOf(child).flatMap((name) => verbsOf(child, [...path, name])),
  );
  return [own, ...below];
}

const namesOf = (command: Command): string[] => [command.name(), ...command.aliases()];
const flagsOf = ({ long, short }: Option): string[] => [long, short].filter((flag) => flag !== undefined);

/** `verb flag` for each flag that takes one of a few. */
const choicesOf = (verbs: readonly Verb[]): { on: string; choices: readonly string[] }[] =>
  verbs.flatMap(({ name, values }) =>
    values.flatMap(({ flags, choices }) => flags.map((flag) => ({ on: `${name} ${flag}`, choices }))),
  );

/** What takes a value: flags that do so wherever they are, and `verb flag` for those that are bare elsewhere. */
function takingOf(verbs: readonly Verb[]): { always: string[]; here: string[] } {
  const bare = new Set(verbs.flatMap((verb) => verb.bare));
  const always = new Set(verbs.flatMap(({ taking }) => taking.filter((flag) => !bare.has(flag))));
  const here = verbs.flatMap(({ name, taking }) =>
    taking.filter((flag) => bare.has(flag)).map((flag) => `${name} ${flag}`),
  );
  return { always: [...always], here };
}

export function completionScript(program: Command, shell: Shell): string {
  const verbs = verbsOf(program);
  const settings = keys().map(({ path }) => `${path}=`);
  return shell === 'fish' ? fish(verbs, settings) : bash(verbs, settings, shell);
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Its emulation of bash completion is a part of zsh's own completion, which is not on until somebody turns it on. */
const ZSH_PRELUDE = `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i -D; }
autoload -U +X bashcompinit && bashcompinit
`;

/** zsh runs the same script. Where nothing is offered the shell completes names of files. */
function bash(verbs: readonly Verb[], settings: readonly string[], shell: Shell): string {
  const cases = verbs.map(({ name, children, words, isComplete }) => {
    const all = [...children.map((child) => child.name), ...words];
    const early = isComplete ? ' early=1' : '';
    return `    ${quoted(name)}) words=${quoted(all.join(' '))}${early} ;;`;
  });
  const values = choicesOf(verbs).map(
    ({ on, choices }) => `    ${quoted(on)}) words=${quoted(choices.join(' '))} ;;`,
  );
  const names = verbs.map(({ name }) => name).filter((name) => name !== '');
  const { always, here } = takingOf(verbs);
  return `${shell === 'zsh' ? ZSH_PRELUDE : ''}_robustmq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" verb="" words="" early="" i
  if [ "$current" = "=" ] || [ "$previous" = "=" ]; then
    if [ "$current" = "=" ]; then current=""; else previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
    COMPREPLY=()
    [ "\${previous:0:1}" = "-" ] || return
  fi
  if [ "$previous" = "--set" ] || [ "$previous" = "-s" ]; then
    compopt -o nospace 2>/dev/null
    COMPREPLY=( $(compgen -W ${quoted(settings.join(' '))} -- "$current") )
    return
  fi
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case "\${verb:+$verb }\${COMP_WORDS[i]}" in
      ${names.map(quoted).join('|')}) verb="\${verb:+$verb }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verb" in
${cases.join('\n')}
  esac
  case "$previous" in
    ${always.map(quoted).join('|')}) words="" ;;
  esac
  case "$verb $previous" in
    ${here.map(quoted).join('|')}) words="" ;;
  esac
  case "$verb $previous" in
${values.join('\n')}
  esac
  if [ -n "$early" ] || [ "\${current:0:1}" = "-" ]; then
    COMPREPLY=( $(compgen -W "$words" -- "$current") )
  else
    COMPREPLY=( $(compgen -W "$words" -X '-*' -- "$current") )
  fi
}
complete -o default -F _robustmq robustmq
`;
}

/** One function that prints what fits, with what it is behind a tab. */
function fish(verbs: readonly Verb[], settings: readonly string[]): string {
  const cases = verbs.map(({ name, children, words, isComplete }) => {
    const all = [...children.map((child) => `${child.name}\t${child.description}`), ...words];
    const early = isComplete ? '\n      set early 1' : '';
    return `    case ${quoted(name)}\n      set words ${all.map(quoted).join(' ')}${early}`;
  });
  const values = choicesOf(verbs).map(
    ({ on, choices }) => `    case ${quoted(on)}\n      set words ${choices.map(quoted).join(' ')}`,
  );
  const names = verbs.map(({ name }) => name).filter((name) => name !== '');
  const { always, here } = takingOf(verbs);
  return `function __robustmq_fitting
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  set -l previous $before[-1]
  set -l option ''
  if string match -qr '^--[^=]+=' -- $current
    set option (string match -r '^--[^=]+=' -- $current)
    set previous (string trim -r -c = -- $option)
    set current (string replace -r '^--[^=]+=' '' -- $current)
  end
  set -l verb ''
  for word in $before[2..-1]
    set -l longer (string trim -- "$verb $word")
    if contains -- $longer ${names.map(quoted).join(' ')}
      set verb $longer
    end
  end
  set -l words
  set -l early 0
  switch $verb
${cases.join('\n')}
  end
  switch $previous
    case ${always.map(quoted).join(' ')}
      set words
  end
  switch "$verb $previous"
    case ${here.map(quoted).join(' ')}
      set words
  end
  switch "$verb $previous"
${values.join('\n')}
  end
  switch $previous
    case --set -s
      set words ${settings.map(quoted).join(' ')}
  end
  if test $early -eq 0; and not string match -q -- '-*' $current
    set words (string match -v -- '-*' $words)
  end
  set -l fitting (string match -- "$current*" $words)
  if test (count $fitting) -eq 0
    set fitting (__fish_complete_path $current)
  end
  for each in $fitting
    printf '%s%s\\n' $option $each
  end
end
complete -c robustmq -f -a '(__robustmq_fitting)'
`;
}
