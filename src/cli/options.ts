/** Options that several verbs have, and how their values are read. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../config/units.ts';

export function withConfig(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (YAML)')
    .option('--data-dir <dir>', 'directory for what the broker keeps; same as --set dataDir=DIR')
    .option('-s, --set <key=value>', 'set one key, as in mqtt.maxQos=1; repeatable', append, []);
}

export const append = (value: string, before: readonly string[]): string[] => [...before, value];

export function duration(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (ms === undefined || ms > 2 ** 31 - 1)
    throw new InvalidArgumentError('Expected a duration such as 30s or 500ms.');
  return ms;
}

export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

export function oneOf(allowed: readonly number[]): (text: string) => number {
  return (text) => {
    const value = allowed.find((one) => String(one) === text);
    if (value === undefined) throw new InvalidArgumentError(`Expected one of ${allowed.join(', ')}.`);
    return value;
  };
}

/** For the end of a verb's help. */
export const examples = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((each) => `  robustmq ${each}`).join('\n')}`;
