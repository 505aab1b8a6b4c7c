/** Groups on a state log in miniature: commits wait until the test lets them go, and a restart has what was committed. */

import type { Clock } from '../../../../src/kernel/clock.ts';
import type { JoinResponse, SyncResponse } from '../../../../src/protocols/kafka/groups/classic-group.ts';
import { type JoinRequest, joinGroup } from '../../../../src/protocols/kafka/groups/classic-join.ts';
import { type SyncRequest, syncGroup } from '../../../../src/protocols/kafka/groups/classic-members.ts';
import { createGroups, type Groups } from '../../../../src/protocols/kafka/groups/groups.ts';
import { createGroupsTable } from '../../../../src/protocols/kafka/groups/groups-table.ts';
import {
  DEFAULT_GROUP_SETTINGS,
  type GroupSettings,
} from '../../../../src/protocols/kafka/groups/settings.ts';
import type {
  Topic,
  TopicChange,
  TopicRefusal,
  Topics,
} from '../../../../src/protocols/kafka/topics/topics.ts';

/** Time that a test moves, in steps of a tick, with nothing else in between. */
export interface StepClock extends Clock {
  advance(ms: number): void;
  /** Time in which nothing of the process runs. */
  stop(ms: number): void;
}

const STEP_MS = 100;

function createStepClock(): StepClock {
  let nowMs = 0;
  const callbacks = new Set<() => void>();
  return {
    monotonicMs: () => nowMs,
    wallMs: () => Date.UTC(2026, 0, 1) + nowMs,
    every(_intervalMs, callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    stop(ms) {
      nowMs += ms;
    },
    advance(ms) {
      for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
        nowMs = Math.min(untilMs, nowMs + STEP_MS);
        for (const callback of callbacks) callback();
      }
    },
  };
}

interface Change {
  readonly entries: Uint8Array[];
  readonly done: ((error: Error | undefined, position: number) => void) | undefined;
}

export class MiniatureLog {
  /** What a restart finds. */
  readonly journal: Uint8Array[] = [];
  private current: Uint8Array[] = [];
  private waiting: Change[] = [];
  /** Commits are done at once. */
  isPrompt = true;
  failure: Error | undefined;

  add = (_table: number, entry: Uint8Array): number => {
    this.current.push(Uint8Array.from(entry));
    return 0;
  };

  commit = (_level: unknown, done?: Change['done']): void => {
    this.waiting.push({ entries: this.current, done });
    this.current = [];
    if (this.isPrompt) this.flush();
  };

  get pending(): number {
    return this.waiting.length;
  }

  flush(count = Number.POSITIVE_INFINITY): void {
    for (const change of this.waiting.splice(0, count)) {
      if (this.failure === undefined) this.journal.push(...change.entries);
      change.done?.(this.failure, this.journal.length);
    }
  }

  /** As a crash: what was not committed is gone. */
  crash(): void {
    this.waiting = [];
    this.current = [];
  }
}

export class FakeTopics implements Pick<Topics, 'get' | 'byId' | 'list' | 'create' | 'onChange'> {
  private readonly topics = new Map<string, Topic>();
  private readonly listeners = new Set<(topic: Topic, change: TopicChange) => void>();

  static idOf(name: string): string {
    return Buffer.from(name.padEnd(16, '.').slice(0, 16)).toString('base64url');
  }

  set(name: string, partitionCount: number): void {
    const change = this.topics.has(name) ? 'grown' : 'created';
    const partitions = { length: partitionCount } as Topic['partitions'];
    const topic = { name, id: FakeTopics.idOf(name), partitions, isInternal: false } as Topic;
    this.topics.set(name, topic);
    for (const listener of this.listeners) listener(topic, change);
  }
  delete(name: string): void {
    const topic = this.topics.get(name);
    this.topics.delete(name);
    if (topic !== undefined) for (const listener of this.listeners) listener(topic, 'deleted');
  }
  get(name: string): Topic | undefined {
    return this.topics.get(name);
  }
  create(): Promise<TopicRefusal> {
    return Promise.resolve('full');
  }
  byId(id: string): Topic | undefined {
    return [...this.topics.values()].find((topic) => topic.id === id);
  }
  list(): Iterable<Topic> {
    return this.topics.values();
  }
  onChange(callback: (topic: Topic, change: TopicChange) => void): () => void {
    this.listeners.add(callback);
    return () => this.listeners.delete(callback);
  }
}

export interface World {
  groups: Groups;
  readonly log: MiniatureLog;
  readonly clock: StepClock;
  readonly topics: FakeTopics;
  readonly reasons: string[];
  /** On what was committed; `pages`: the table is loaded from its pages, as they are now, and all entries again. */
  restart(from?: 'journal' | 'pages'): void;
}

export function createWorld(settings: Partial<GroupSettings> = {}): World {
  const log = new MiniatureLog();
  const clock = createStepClock();
  const topics = new FakeTopics();
  const reasons: string[] = [];
  let ids = 0;
  const start = (table: ReturnType<typeof createGroupsTable>): Groups =>
    createGroups({
      table,
      clock,
      log,
      level: 'sync',
      settings: { ...DEFAULT_GROUP_SETTINGS, ...settings },
      topics,
      newId: () => `id${++ids}`,
      explain: (group, reason) => reasons.push(`${group}: ${reason}`),
    });
  const world: World = {
    groups: start(createGroupsTable()),
    log,
    clock,
    topics,
    reasons,
    restart(from = 'journal') {
      world.groups.close();
      log.crash();
      const table = createGroupsTable();
      const place = { position: 0, offset: 0 };
      if (from === 'pages') {
        const before = world.groups.table.table;
        for (const key of before.pageKeys()) {
          const page = before.page(key);
          if (page !== undefined) table.table.load(key, page, 0);
        }
      }
      for (const entry of log.journal) table.table.apply(entry, place);
      table.table.recovered?.();
      world.groups = start(table);
    },
  };
  return world;
}

const metadata = (text: string): Uint8Array => Buffer.from(text);

export const joining = (over: Partial<JoinRequest> = {}): JoinRequest => ({
  memberId: '',
  instanceId: null,
  clientId: 'client',
  clientHost: '/127.0.0.1',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 30_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: metadata('topics') }],
  requiresMemberId: false,
  canSkipAssignment: true,
  ...over,
});

/** What a request was answered, as soon as it was. */
export interface Answer<T> {
  value: T | undefined;
}

export function join(
  world: World,
  over: Partial<JoinRequest> = {},
  id = 'g',
  onAnswer: (response: JoinResponse) => void = () => {},
): Answer<JoinResponse> {
  const answer: Answer<JoinResponse> = { value: undefined };
  const group = world.groups.open(id);
  if (group?.kind !== 'classic') throw new Error('no classic group');
  joinGroup(world.groups.host, group, joining(over), (response) => {
    if (answer.value !== undefined) throw new Error('answered twice');
    answer.value = response;
    onAnswer(response);
  });
  return answer;
}

export function sync(world: World, over: Partial<SyncRequest>, id = 'g'): Answer<SyncResponse> {
  const answer: Answer<SyncResponse> = { value: undefined };
  const group = world.groups.open(id);
  if (group?.kind !== 'classic') throw new Error('no classic group');
  const request: SyncRequest = {
    memberId: '',
    instanceId: null,
    generation: 0,
    protocolType: null,
    protocolName: null,
    assignments: [],
    ...over,
  };
  syncGroup(world.groups.host, group, request, (response) => {
    if (answer.value !== undefined) throw new Error('answered twice');
    answer.value = response;
  });
  return answer;
}

/** Present, or the test fails. */
export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not there');
  return value;
}
