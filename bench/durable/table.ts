/** What a row of the durable benches is given, and what it gives back. */

export interface RowOptions {
  readonly seconds: number;
  readonly repeats: number;
  readonly brokerCore: number | undefined;
  readonly generatorCore: number | undefined;
  /** Of the fan-out row. */
  readonly offlineSessions: number;
  readonly messages: number;
  /** Of the restart row. */
  readonly records: number;
  readonly sessions: number;
  readonly retained: number;
  say(line: string): void;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly remarks: readonly string[];
}

export function figure(value: number, digits = 0): string {
  if (!Number.isFinite(value)) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function markdown({ title, head, rows, remarks }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i === 0 ? '---' : '--:')).join('|')}|`;
  const list = remarks.map((remark) => `- ${remark}`);
  return [`**${title}**`, '', line(head), rule, ...rows.map(line), '', ...list, ''].join('\n');
}
