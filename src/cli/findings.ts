/** What a look at the machine has found: one line each, with what to do about it. */
import { isTable, type OutputForm, printList } from './admin-output.ts';
import { formOf } from './admin-target.ts';
import { type Io, write } from './io.ts';

export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'problem';
  readonly detail: string;
  /** What to do; '' where nothing is to be done. */
  readonly advice: string;
}

export const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail, advice: '' });

export const warning = (check: string, detail: string, advice: string): Finding => ({
  check,
  state: 'warning',
  detail,
  advice,
});

export const problem = (check: string, detail: string, advice: string): Finding => ({
  check,
  state: 'problem',
  detail,
  advice,
});

export interface OutputOptions {
  readonly output: OutputForm;
  readonly json?: boolean;
}

const SIGNS: Readonly<Record<Finding['state'], readonly [sign: string, color: string]>> = {
  ok: ['ok', '32'],
  warning: ['WARNING', '33'],
  problem: ['PROBLEM', '31'],
};
const WIDTH = 9;

/** Without color where the output is no terminal, or NO_COLOR is set. */
export async function printFindings(
  findings: readonly Finding[],
  options: OutputOptions,
  io: Io,
): Promise<void> {
  const form = formOf(options);
  if (!isTable(form)) return printList(findings, [], form, io);
  const isColored = io.out.isTTY === true && (io.environment.NO_COLOR ?? '') === '';
  for (const { check, state, detail, advice } of findings) {
    const [sign, color] = SIGNS[state];
    const padded = sign.padEnd(WIDTH);
    const shown = isColored ? `\u001b[${color}m${padded}\u001b[0m` : padded;
    await write(io.out, `${shown}${check}: ${detail}\n`);
    if (advice !== '') await write(io.out, `${' '.repeat(WIDTH)}-> ${advice}\n`);
  }
}
