/** Verbs that change what is on a broker. */
import { commit, made, type Place } from '../place.ts';
import type { VerbRow } from '../verb-row.ts';

const change = (words: string, args: VerbRow['args'], more: Partial<VerbRow> = {}): VerbRow => ({
  words,
  ...(args === undefined ? {} : { args }),
  prints: 'document',
  reaches: 'administration',
  viewerMay: false,
  ...more,
});

async function topic({ node }: Place, n: number): Promise<string> {
  await made(node, '/topics', { name: `topic-${n}`, partitions: 1 });
  return `topic-${n}`;
}

export const CHANGE: readonly VerbRow[] = [
  change('message publish', () => ['a/b', '21.5']),
  change('client kick', async ({ node }, n) => {
    await node.connect({ clientId: `doomed-${n}` });
    return [`doomed-${n}`];
  }),
  change('client kick-all', () => ['--prefix', 'nobody', '--yes']),
  change('session end', async ({ node }, n) => {
    await node.durable(`ending-${n}`);
    return [`ending-${n}`, '--yes'];
  }),
  change('queue purge', () => ['away', '--yes']),
  change('retained delete', async ({ node }, n) => {
    await made(node, '/messages', { topic: `gone/${n}`, payload: 'x', retain: true });
    return [`gone/${n}`];
  }),
  change('retained delete-all', () => ['gone/#', '--yes']),
  change('delayed cancel', async ({ node }) => {
    await made(node, '/messages', { topic: '$delayed/3600/later', payload: 'late' });
    const [first] = await node.all('/delayed', 10);
    return [String(first?.id), '--yes'];
  }),
  change('dlq redrive', () => ['dead', '--max', '1', '--yes']),
  change('topic create', (_place, n) => [`made-${n}`, '--partitions', '2']),
  change('topic update', async (place, n) => [await topic(place, n), '--partitions', '2']),
  change('topic delete', async (place, n) => [await topic(place, n), '--yes']),
  change('group reset', async ({ node }, n) => {
    await commit(node, `group-${n}`);
    return [`group-${n}`, '--to', 'earliest', '--yes'];
  }),
  change('group delete', async ({ node }, n) => {
    await commit(node, `group-${n}`);
    return [`group-${n}`, '--yes'];
  }),
  change('reload', undefined),
];
