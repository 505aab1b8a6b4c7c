/** The configuration of alarms: from where on something is wrong. */
import { count, live, milliseconds, section } from './schema-kit.ts';

const off = { off: 0 };

export const alarmsSchema = section(
  'From where on an alarm is raised. `off` raises none; an alarm that is active is over well below its figure.',
  {
    eventLoopDelayMs: live(
      milliseconds(200, '`event-loop`: so late is one timer in a hundred, over ten seconds.', {
        min: 0,
        max: 60_000,
        words: off,
      }),
    ),
    connectionsPercent: live(
      count(90, '`connections`: so much of `limits.maxConnections` is in use.', {
        min: 0,
        max: 100,
        words: off,
      }),
    ),
    certificateDays: live(
      count(14, '`certificate`: the certificate of a listener ends within so many days.', {
        min: 0,
        max: 3650,
        words: off,
      }),
    ),
    failedLogIns: live(
      count(50, '`authentication`: so many log-ins have failed within a minute.', {
        min: 0,
        max: 1_000_000,
        words: off,
      }),
    ),
    clockJumpMs: live(
      milliseconds(5000, '`clock`: the clock of the machine was set by more than this.', {
        min: 0,
        max: 86_400_000,
        words: off,
      }),
    ),
    slowClientMs: live(
      milliseconds(
        0,
        '`slow-client`: a connected client has not taken for longer than this what is there for it.',
        { min: 0, max: 86_400_000, words: off },
      ),
    ),
  },
);
