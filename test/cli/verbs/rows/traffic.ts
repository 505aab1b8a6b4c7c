/** Verbs that publish, subscribe and watch. */
import type { VerbRow } from '../verb-row.ts';

const watch = (words: string, args: readonly string[], viewerMay: boolean): VerbRow => ({
  words,
  args: () => args,
  prints: 'lines',
  reaches: 'administration',
  viewerMay,
});
const client = (words: string, args: readonly string[], prints: VerbRow['prints']): VerbRow => ({
  words,
  args: () => args,
  prints,
  reaches: 'mqtt',
});
const quick = ['--count', '10', '--duration', '5s', '--quiet'];

export const TRAFFIC: readonly VerbRow[] = [
  client('sub', ['kept/1', '--count', '1'], 'document'),
  client('pub', ['a/b', '21.5', '--qos', '1'], 'nothing'),
  client('req', ['services/echo', 'x'], 'document'),
  client('bench pub', quick, 'document'),
  client('bench sub', ['--topic', 'ticks', '--count', '1', '--duration', '5s', '--quiet'], 'document'),
  client('bench pubsub', quick, 'document'),
  { ...client('bench conn', ['--clients', '2', '--quiet'], 'document'), sumsUp: true },
  watch('top', ['--count', '1'], true),
  watch('events', ['--follow', '--last', '3', '--count', '2'], true),
  watch('tail', ['ticks', '--count', '1'], false),
  watch('trace', ['--topic', 'ticks', '--count', '1'], false),
];
