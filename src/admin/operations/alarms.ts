/** Alarms: those that are active, and those that are over. */
import { ALARM_NAMES, type Alarm, type Alarms, SEVERITIES } from '../../alarms/alarms.ts';
import { offsetPage } from '../offset-page.ts';
import { operation, pageOf, paging } from '../operation.ts';
import { type Infer, integer, nullable, object, oneOf, string } from '../schema.ts';

export type AlarmsView = Pick<Alarms, 'active' | 'history'>;

const alarmView = object({
  alarm: oneOf(ALARM_NAMES, 'Its name.'),
  severity: oneOf(SEVERITIES, 'How bad it is.'),
  raisedAtMs: integer('Since when.'),
  clearedAtMs: nullable(integer('Until when; null while it is active.')),
  message: string('What is wrong, or was.'),
});

const shown = ({ clearedAtMs, ...alarm }: Alarm): Infer<typeof alarmView> => ({
  ...alarm,
  clearedAtMs: clearedAtMs ?? null,
});

const rowOf = { scope: 'status:read', audit: 'none', method: 'GET', queryParameters: paging } as const;

export const alarmOperations = {
  alarmsList: operation({
    ...rowOf,
    id: 'alarms.list',
    verb: {
      words: 'alarm list',
      examples: ['alarm list', 'alarm list -o json | jq length'],
      columns: ['alarm', 'severity', 'raisedAtMs', 'message'],
    },
    path: '/alarms',
    summary: 'Alarms that are active.',
    output: pageOf(alarmView),
    run: async ({ alarms }, input) => offsetPage('alarms.list', alarms.active(), input, shown),
  }),
  alarmsHistory: operation({
    ...rowOf,
    id: 'alarms.history',
    verb: {
      words: 'alarm history',
      columns: ['alarm', 'severity', 'raisedAtMs', 'clearedAtMs', 'message'],
      usualLimit: 100,
      examples: ['alarm history --limit 10', 'alarm history -o ndjson | jq .alarm'],
    },
    path: '/alarms/history',
    summary: 'Alarms that are over, the newest first; those since the broker started, at most 500.',
    output: pageOf(alarmView),
    run: async ({ alarms }, input) => offsetPage('alarms.history', alarms.history(), input, shown),
  }),
};
