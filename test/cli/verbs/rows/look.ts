/** Verbs that look at a broker, its clients and what waits for them, and change nothing. */
import type { Place } from '../place.ts';
import type { VerbRow } from '../verb-row.ts';

export const list = (words: string, viewerMay = true): VerbRow => ({
  words,
  prints: 'document',
  isTable: true,
  reaches: 'administration',
  viewerMay,
});
export const show = (words: string, args: readonly string[] = [], viewerMay = true): VerbRow => ({
  words,
  args: () => args,
  prints: 'document',
  reaches: 'administration',
  viewerMay,
});

async function delayedId({ node }: Place): Promise<readonly string[]> {
  await node.post('/messages', { topic: '$delayed/3600/later', payload: 'late' });
  const [first] = await node.all('/delayed', 10);
  return [String(first?.id)];
}

export const LOOK: readonly VerbRow[] = [
  show('status'),
  show('check', ['ready', 'alarms']),
  list('alarm list'),
  list('alarm history'),
  list('client list'),
  list('client slow'),
  show('client show', ['kitchen']),
  list('session list'),
  show('session show', ['away']),
  list('subscription list'),
  list('queue list'),
  show('queue show', ['away']),
  { ...list('queue peek', false), args: () => ['away'] },
  list('retained list'),
  show('retained show', ['kept/1'], false),
  list('delayed list'),
  { ...show('delayed show', [], false), args: delayedId },
];
