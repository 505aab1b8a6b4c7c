import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ALARM_NAMES,
  type Alarm,
  type Alarms,
  type Condition,
  createAlarms,
} from '../../src/alarms/alarms.ts';
import { type AlarmFigures, type AlarmThresholds, createConditions } from '../../src/alarms/conditions.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const DAY_MS = 86_400_000;
let clock: ManualClock;
let told: string[];
let alarms: Alarms;

const note = ({ alarm, clearedAtMs }: Alarm): void => {
  told.push(`${clearedAtMs === undefined ? 'raised' : 'cleared'} ${alarm}`);
};

beforeEach(() => {
  clock = createManualClock();
  told = [];
});

describe('an alarm', () => {
  let level = 0;
  const condition: Condition = {
    alarm: 'disk',
    severity: 'critical',
    raiseAfterMs: 3000,
    clearAfterMs: 5000,
    problem(isActive) {
      if (level < 0) throw new Error('cannot be looked at');
      return level > (isActive ? 5 : 10) ? `level ${level}` : undefined;
    },
  };

  beforeEach(() => {
    level = 0;
    alarms = createAlarms({ clock, conditions: [condition], onChange: note });
  });

  it('is raised when its condition has held for its time, and not by one that comes and goes', async () => {
    for (let i = 0; i < 4; i++) {
      level = 11;
      await clock.advance(2000);
      level = 0;
      await clock.advance(1000);
    }
    expect(told).toEqual([]);
    level = 11;
    await clock.advance(5000);
    expect(told).toEqual(['raised disk']);
    expect(alarms.active()).toEqual([
      {
        alarm: 'disk',
        severity: 'critical',
        raisedAtMs: clock.wallMs() - 1000,
        clearedAtMs: undefined,
        message: 'level 11',
      },
    ]);
  });

  it('stays between its two thresholds, and is cleared below the lower one for its time', async () => {
    level = 11;
    await clock.advance(4000);
    level = 7;
    await clock.advance(60_000);
    expect(alarms.active()[0]?.message).toBe('level 7');
    for (let i = 0; i < 4; i++) {
      level = 4;
      await clock.advance(3000);
      level = 6;
      await clock.advance(1000);
    }
    expect(told).toEqual(['raised disk']);
    level = 4;
    await clock.advance(6000);
    expect(told).toEqual(['raised disk', 'cleared disk']);
    expect([alarms.active(), alarms.history().length]).toEqual([[], 1]);
    expect(alarms.history()[0]).toMatchObject({ clearedAtMs: clock.wallMs(), message: 'level 6' });
  });

  it('stays as it is while its condition cannot be looked at', async () => {
    level = 11;
    await clock.advance(4000);
    level = -1;
    await clock.advance(60_000);
    expect(told).toEqual(['raised disk']);
  });

  it('is raised and cleared in turn, and remembered up to a bound, whatever its figure does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: -1, max: 12 }), fc.integer({ min: 1, max: 9 })), {
          maxLength: 40,
        }),
        async (steps) => {
          const own = createManualClock();
          const seen: Alarm[] = [];
          const each = createAlarms({ clock: own, conditions: [condition], onChange: (a) => seen.push(a) });
          for (const [next, seconds] of steps) {
            level = next;
            await own.advance(seconds * 1000);
            expect(seen.map(({ clearedAtMs }) => clearedAtMs === undefined)).toEqual(
              seen.map((_, i) => i % 2 === 0),
            );
            expect(each.active().length).toBe(seen.length % 2);
            expect(each.history().length).toBe(Math.floor(seen.length / 2));
          }
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('the conditions', () => {
  let figures: { -readonly [K in keyof AlarmFigures]: AlarmFigures[K] };
  let thresholds: { -readonly [K in keyof AlarmThresholds]: AlarmThresholds[K] };

  beforeEach(() => {
    thresholds = {
      eventLoopDelayMs: 200,
      connectionsPercent: 90,
      certificateDays: 14,
      failedLogIns: 50,
      clockJumpMs: 5000,
      slowClientMs: 60_000,
    };
    figures = {
      clock,
      journalFailure: () => undefined,
      fullJournals: () => [],
      isMemoryHigh: () => false,
      residentBytes: () => 5 * 1024 * 1024,
      eventLoopDelayMs: () => 20,
      connections: () => ({ open: 10, max: 100 }),
      certificates: () => [],
      failedLogIns: () => 0,
      auditFailure: () => undefined,
      slowestClient: () => undefined,
    };
    alarms = createAlarms({ clock, conditions: createConditions(figures, thresholds), onChange: note });
  });

  const messages = (): string[] => alarms.active().map(({ alarm, message }) => `${alarm}: ${message}`);

  it('are one for each name, and none holds on a node that is well', async () => {
    expect(
      createConditions(figures, thresholds)
        .map(({ alarm }) => alarm)
        .toSorted(),
    ).toEqual(ALARM_NAMES);
    await clock.advance(120_000);
    expect(told).toEqual([]);
  });

  it.each<[Partial<AlarmFigures>, string]>([
    [{ journalFailure: () => 'EIO' }, 'journal: the journal is read-only: EIO'],
    [
      { fullJournals: () => ['journal'] },
      'disk: no more space for journal by storage.watermark or storage.memory: publishers are refused',
    ],
    [
      { isMemoryHigh: () => true },
      'memory: memory is above its watermark (5 MiB): publishers are paused, connections refused',
    ],
    [{ eventLoopDelayMs: () => 201 }, 'event-loop: the event loop is late by up to 201 ms'],
    [{ connections: () => ({ open: 90, max: 100 }) }, 'connections: 90 of 100 connections are in use'],
    [
      { slowestClient: () => ({ clientId: 'kitchen', behindMs: 60_001 }) },
      'slow-client: the client "kitchen" has not taken for 60 s what is there for it',
    ],
    [{ auditFailure: () => 'ENOSPC' }, 'audit: the audit log cannot be written: ENOSPC'],
  ])('say what is wrong, and are over when it is not: %#', async (wrong, message) => {
    const well = { ...figures };
    Object.assign(figures, wrong);
    await clock.advance(1000);
    expect(messages()).toEqual([message]);
    Object.assign(figures, well);
    await clock.advance(12_000);
    expect(messages()).toEqual([]);
  });

  it('hold on between their thresholds', async () => {
    figures.connections = () => ({ open: 90, max: 100 });
    figures.eventLoopDelayMs = () => 250;
    figures.slowestClient = () => ({ clientId: 'kitchen', behindMs: 60_001 });
    await clock.advance(1000);
    figures.connections = () => ({ open: 86, max: 100 });
    figures.eventLoopDelayMs = () => 150;
    figures.slowestClient = () => ({ clientId: 'kitchen', behindMs: 30_001 });
    await clock.advance(30_000);
    const names = alarms.active().map(({ alarm }) => alarm);
    expect(names).toEqual(['connections', 'event-loop', 'slow-client']);
  });

  it('hold from where the configuration says, from the next look on, and are over below it', async () => {
    figures.connections = () => ({ open: 60, max: 100 });
    figures.eventLoopDelayMs = () => 60;
    figures.certificates = () => [{ name: 'https', expiresAtMs: clock.wallMs() + 20 * DAY_MS }];
    await clock.advance(1000);
    expect(messages()).toEqual([]);
    Object.assign(thresholds, { connectionsPercent: 60, eventLoopDelayMs: 50, certificateDays: 30 });
    await clock.advance(1000);
    const names = (): string[] => alarms.active().map(({ alarm }) => alarm);
    expect(names()).toEqual(['certificate', 'connections', 'event-loop']);
    figures.connections = () => ({ open: 56, max: 100 });
    figures.eventLoopDelayMs = () => 24;
    await clock.advance(30_000);
    expect(names()).toEqual(['certificate']);
  });

  it('never hold where they are off, and are over when they are switched off', async () => {
    let refused = 0;
    let offsetMs = 0;
    figures.failedLogIns = () => refused;
    figures.clock = { monotonicMs: clock.monotonicMs, wallMs: () => clock.wallMs() + offsetMs };
    figures.connections = () => ({ open: 100, max: 100 });
    figures.eventLoopDelayMs = () => 10_000;
    figures.slowestClient = () => ({ clientId: 'kitchen', behindMs: 1_000_000 });
    figures.certificates = () => [{ name: 'https', expiresAtMs: 0 }];
    await clock.advance(1000);
    expect(alarms.active()).toHaveLength(4);
    for (const name of Object.keys(thresholds)) Object.assign(thresholds, { [name]: 0 });
    refused = 1000;
    offsetMs = 3_600_000;
    await clock.advance(60_000);
    expect(messages()).toEqual([]);
    expect(told.filter((each) => each.startsWith('raised'))).toHaveLength(4);
  });

  it('tell of certificates that end within two weeks, and of those that have ended', async () => {
    const nowMs = clock.wallMs();
    figures.certificates = () => [
      { name: 'mqtts', expiresAtMs: nowMs + 15 * DAY_MS },
      { name: 'https', expiresAtMs: nowMs + 3.5 * DAY_MS },
      { name: 'wss', expiresAtMs: nowMs - DAY_MS },
    ];
    await clock.advance(1000);
    expect(messages()).toEqual([
      'certificate: the certificate of https expires in 3 days; the certificate of wss has expired',
    ]);
  });

  it('tell of many failed log-ins within a minute, not of as many in a day', async () => {
    let refused = 1000;
    figures.failedLogIns = () => refused;
    for (let i = 0; i < 200; i++) {
      refused++;
      await clock.advance(2000);
    }
    expect(told).toEqual([]);
    refused += 25;
    await clock.advance(1000);
    expect(messages()).toEqual([
      expect.stringMatching(/^authentication: 5\d log-ins have failed within a minute$/),
    ]);
    await clock.advance(180_000);
    expect(told).toEqual(['raised authentication', 'cleared authentication']);
  });

  it('tell of a clock that was set, for a minute, and not of one that goes a little wrong (item 51)', async () => {
    let offsetMs = 0;
    figures.clock = { monotonicMs: clock.monotonicMs, wallMs: () => clock.wallMs() + offsetMs };
    alarms.stop();
    alarms = createAlarms({ clock, conditions: createConditions(figures, thresholds), onChange: note });
    for (let i = 0; i < 100; i++) {
      offsetMs += 100;
      await clock.advance(1000);
    }
    expect(told).toEqual([]);
    offsetMs -= 3_600_000;
    await clock.advance(1000);
    expect(messages()).toEqual(['clock: the clock was set back by 3600 s']);
    await clock.advance(61_000);
    expect(told).toEqual(['raised clock', 'cleared clock']);
  });
});
