/**
 * The flow cache changes speed and nothing else: the same random traffic with the cache on and off gives every client
 * the same messages, per publisher and topic in the same order, and the same answers.
 */
import { expect, it } from 'vitest';
import { seedOfRun } from '../support/random.ts';
import type { ComparedClient } from './client.ts';
import { isSteady, runTraffic, type Traffic } from './traffic.ts';

const SEED = seedOfRun(1);
const RUNS = Number(process.env.ROBUSTMQ_DIFFERENTIAL_RUNS ?? 6);
const STEPS = 600;

/** Without what a resumed session repeats: that depends on how far the journal was when the connection ended. */
const streamsOf = (client: ComparedClient): Record<string, readonly string[]> =>
  Object.fromEntries(
    [...client.streams]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([stream, entries]) => [stream, entries.filter((entry) => !entry.includes(' dup true '))]),
  );

/** When the journal is through with one answer is not decided: each kind of answer keeps its order, not one to another. */
function byType(answers: readonly string[]): Record<string, string[]> {
  const kinds: Record<string, string[]> = {};
  for (const answer of answers) {
    const { type } = JSON.parse(answer) as { type: string };
    kinds[type] = [...(kinds[type] ?? []), answer];
  }
  return kinds;
}

/** What the steady clients got and what they had to get, without the messages that the model does not decide. */
function modelled({ clients, model }: Traffic): Record<'got' | 'expected', Record<string, string[]>> {
  const got: Record<string, string[]> = {};
  const expected: Record<string, string[]> = {};
  for (const [index, client] of clients.entries()) {
    if (!isSteady(client)) continue;
    for (const [stream, entries] of client.streams) {
      const names = entries.map((entry) => entry.split(':', 2).join(':'));
      const decided = names.filter((name) => !model.exempt.has(name));
      if (decided.length > 0) got[`${index} from ${stream}`] = decided;
    }
    for (const [stream, names] of model.expected.get(index) ?? [])
      expected[`${index} from ${stream}`] = names;
  }
  return { got, expected };
}

it.each(Array.from({ length: RUNS }, (_, i) => [SEED + i, i % 3 === 2 ? 'merge' : 'separate'] as const))(
  'is not seen by any client (seed %i, overlapping %s)',
  { timeout: 60_000 },
  async (seed, overlapping) => {
    const settings = { 'mqtt.overlapping': overlapping };
    const fast = await runTraffic(seed, STEPS, { ...settings, 'dataplane.flowCache': 'on' });
    const slow = await runTraffic(seed, STEPS, { ...settings, 'dataplane.flowCache': 'off' });
    expect(fast.defects).toEqual([]);
    expect(slow.defects).toEqual([]);
    expect(slow.flowHits).toBe(0);
    expect(fast.flowHits).toBeGreaterThan(100);
    const messages = slow.clients.reduce((sum, client) => sum + client.messageCount, 0);
    expect(messages).toBeGreaterThan(STEPS);
    if (overlapping === 'separate') {
      const { got, expected } = modelled(slow);
      expect(Object.keys(expected).length).toBeGreaterThan(50);
      expect(got).toEqual(expected);
    }
    for (const [i, client] of slow.clients.entries()) {
      const other = fast.clients[i] as ComparedClient;
      const who = `${client.options.clientId}, version ${client.options.version}`;
      expect(streamsOf(other), `messages of ${who}`).toEqual(streamsOf(client));
      expect(byType(other.answers), `answers to ${who}`).toEqual(byType(client.answers));
    }
  },
);
