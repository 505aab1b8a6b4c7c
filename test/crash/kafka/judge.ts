/** When all is quiet: what the input has is what was fed to it, and each output has it once, in order, and nothing else. */
import { INPUT, PARTITIONS } from './actors.ts';
import { endsOf, topicsOf } from './auditor.ts';
import { complain, type Ledger } from './ledger.ts';
import { type CommittedRecord, fetchAll } from './records.ts';
import type { Wire } from './wire.ts';

async function allOf(wire: Wire, topic: string): Promise<CommittedRecord[][]> {
  const all: CommittedRecord[][] = [];
  for (let partition = 0; partition < PARTITIONS; partition++)
    all.push(await fetchAll(wire, topic, partition));
  return all;
}

/** Where groups have to come to: behind the last record of each partition. */
export async function goalsOf(wire: Wire): Promise<number[]> {
  return (await allOf(wire, INPUT)).map((records) => (records.at(-1)?.offset ?? -1) + 1);
}

function judgeInput(ledger: Ledger, input: readonly CommittedRecord[][]): void {
  const seen = new Set<string>();
  for (const { value } of input.flat()) {
    if (seen.has(value)) complain(ledger, `twice in the input: ${value}`);
    seen.add(value);
    if (ledger.fed.get(value) === 'aborted') complain(ledger, `aborted, but in the input: ${value}`);
  }
  for (const [value, fate] of ledger.fed) {
    if (fate === 'committed' && !seen.has(value)) complain(ledger, `not in the input: ${value}`);
  }
}

function judgeOutput(
  ledger: Ledger,
  group: string,
  input: readonly CommittedRecord[][],
  output: readonly CommittedRecord[][],
): void {
  for (const [partition, records] of input.entries()) {
    const wanted = records.map(({ offset, value }) => `${partition}:${offset}=${value}`);
    const found = (output[partition] ?? []).map(({ key, value }) => `${key}=${value}`);
    const first = wanted.findIndex((each, i) => found[i] !== each);
    if (first < 0 && wanted.length === found.length) continue;
    const at = first < 0 ? wanted.length : first;
    complain(
      ledger,
      `output of ${group}-${partition}: ${found[at] ?? 'nothing'} instead of ${wanted[at] ?? 'nothing'}, as number ${at} of ${wanted.length} (${found.length} found)`,
    );
  }
}

export async function judge(wire: Wire, ledger: Ledger, groups: readonly string[]): Promise<void> {
  const input = await allOf(wire, INPUT);
  judgeInput(ledger, input);
  for (const group of groups) {
    judgeOutput(ledger, group, input, await allOf(wire, `out-${group}`));
    const latest = new Map<string, string>();
    for (const { key, value } of await fetchAll(wire, `state-${group}`, 0)) latest.set(key, value);
    for (const [partition, records] of input.entries()) {
      const last = records.at(-1);
      const wanted = last === undefined ? undefined : String(last.offset + 1);
      const found = latest.get(String(partition));
      if (found !== wanted)
        complain(ledger, `state of ${group}-${partition} is ${found} instead of ${wanted}`);
    }
  }
  const [stable, ends] = [await endsOf(wire, topicsOf(groups), 1), await endsOf(wire, topicsOf(groups), 0)];
  for (const [place, end] of ends) {
    if (stable.get(place) !== end) complain(ledger, `${place} is stable to ${stable.get(place)} of ${end}`);
  }
}
