/** Checks by name, answered from what is known already: who asks often costs nothing. */

import type { ChecksView, CheckView } from '../admin/operations/checks.ts';
import type { Health } from '../admin/views.ts';
import type { Alarms } from '../alarms/alarms.ts';
import { type AlarmFigures, type AlarmThresholds, expiringWithin } from '../alarms/conditions.ts';

export interface CheckParts {
  readonly figures: AlarmFigures;
  readonly thresholds: Pick<AlarmThresholds, 'certificateDays'>;
  readonly alarms: Pick<Alarms, 'active'>;
  readonly health: () => Health;
  /** False while the node starts and once it stops. */
  readonly isServing: () => boolean;
  /** Names of those that are open. */
  readonly listeners: () => readonly string[];
}

const NAME = /^(?:(?<plain>[a-z]+)|listener:(?<listener>[\w-]{1,64})|certificates:(?<days>\d{1,5}))$/;

/** `problems`: what speaks against it. */
const answer = (check: string, good: string, problems: readonly string[]): CheckView => ({
  check,
  isOk: problems.length === 0,
  message: problems.length === 0 ? good : problems.join('; '),
});

export function checksView({
  figures,
  thresholds,
  alarms,
  health,
  isServing,
  listeners,
}: CheckParts): ChecksView {
  const when = (isWrong: boolean, problem: string): string[] => (isWrong ? [problem] : []);

  const certificates = (check: string, days: number): CheckView =>
    answer(
      check,
      `no certificate ends within ${days} days`,
      expiringWithin(figures.certificates(), days, figures.clock.wallMs()),
    );

  const plain: Readonly<Record<string, (check: string) => CheckView>> = {
    ready(check) {
      const { status, problems } = health();
      const wrong = [...when(!isServing(), 'the node is stopping'), ...(status === 'red' ? problems : [])];
      return answer(check, 'the node serves', wrong);
    },
    alarms(check) {
      const active = alarms.active().map(({ alarm, message }) => `${alarm}: ${message}`);
      return answer(check, 'no alarm is active', active);
    },
    disk(check) {
      const full = figures.fullJournals();
      return answer(check, 'there is space', when(full.length > 0, `no space for ${full.join(', ')}`));
    },
    journal(check) {
      const failure = figures.journalFailure();
      return answer(check, 'the journal takes what is written', failure === undefined ? [] : [failure]);
    },
    memory: (check) =>
      answer(
        check,
        'memory is below its watermark',
        when(figures.isMemoryHigh(), 'memory is above its watermark'),
      ),
    connections(check) {
      const { open, max } = figures.connections();
      const shown = `${open} of ${max} connections are in use`;
      return answer(check, shown, when(open >= max, shown));
    },
    certificates: (check) => certificates(check, thresholds.certificateDays),
  };

  return {
    check(name) {
      const { plain: word = '', listener, days } = NAME.exec(name)?.groups ?? {};
      if (days !== undefined) return certificates(name, Number(days));
      if (listener === undefined) return Object.hasOwn(plain, word) ? plain[word]?.(name) : undefined;
      const isOpen = listeners().includes(listener);
      return answer(
        name,
        `the listener ${listener} is open`,
        when(!isOpen, `there is no open listener ${listener}`),
      );
    },
  };
}
