/** Verbs that look at topics, streams, groups, dead letters and certificates, and change nothing. */
import type { VerbRow } from '../verb-row.ts';
import { list, show } from './look.ts';

export const LOOK_RECORDS: readonly VerbRow[] = [
  list('stream list'),
  show('stream show', ['telemetry']),
  { ...show('stream read', ['telemetry'], false) },
  list('topic list'),
  show('topic show', ['orders']),
  list('group list'),
  show('group show', ['billing']),
  show('dlq list'),
  show('dlq show', ['dead'], false),
  list('cert list', false),
  show('cert show', ['mqtts'], false),
];
