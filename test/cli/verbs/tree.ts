/** The command tree as a list. */
import type { Command } from 'commander';

export interface TreeVerb {
  /** `config`, `print` */
  readonly path: readonly string[];
  readonly command: Command;
  /** It does something itself, and is not only the beginning of others. */
  readonly isRun: boolean;
}

/** All commands below this one, each before those below it. */
export function walk(command: Command, above: readonly string[] = []): TreeVerb[] {
  return command.commands
    .filter((child) => child.name() !== 'help')
    .flatMap((child) => {
      const path = [...above, child.name()];
      const isRun = child.commands.length === 0 || child.registeredArguments.length > 0;
      return [{ path, command: child, isRun }, ...walk(child, path)];
    });
}
