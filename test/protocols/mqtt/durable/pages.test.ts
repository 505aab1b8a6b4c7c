/** Pages are made while changes are on their way to the journal: replaying those on top of a page must change nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMessageStore } from '../../../../src/kernel/message-store/message-store.ts';
import { createRouter } from '../../../../src/kernel/router.ts';
import type { StateLog } from '../../../../src/kernel/state/state-log.ts';
import { type Table, TableId } from '../../../../src/kernel/state/table.ts';
import { createDeliveryOptions } from '../../../../src/protocols/mqtt/durable/delivery-options.ts';
import { createGroupQueues } from '../../../../src/protocols/mqtt/durable/group-queues.ts';
import { encodeEntry } from '../../../../src/protocols/mqtt/durable/session-entries.ts';
import { createSessionsTable } from '../../../../src/protocols/mqtt/durable/sessions-table.ts';
import { createSessionRegistry } from '../../../../src/protocols/mqtt/session-registry.ts';
import { createRandom, type Random } from '../../../support/random.ts';

interface Entry {
  readonly table: number;
  readonly bytes: Uint8Array;
}

/** By frame. */
type Life = readonly (readonly Entry[])[];

interface Tables {
  readonly all: readonly Table[];
  apply(life: Life, from: number, to: number): void;
  pages(): Map<string, { table: Table; key: Uint8Array; page: Uint8Array }>;
  messages(): number;
}

function createTables(): Tables {
  const store = createMessageStore({ maxMessages: 100_000, maxBytes: 2 ** 30 });
  const sessions = createSessionsTable({
    sessions: createSessionRegistry(1000),
    router: createRouter(),
    store,
    options: createDeliveryOptions(),
  });
  const groups = createGroupQueues(store, () => {
    throw new Error('nothing is written here');
  });
  const all: Table[] = [sessions, groups];
  return {
    all,
    apply(life, from, to) {
      for (let position = from; position < to; position++) {
        for (const { table, bytes } of life[position] ?? []) {
          all.find(({ id }) => id === table)?.apply(bytes, { position, offset: 0 });
        }
      }
    },
    pages() {
      const found = new Map<string, { table: Table; key: Uint8Array; page: Uint8Array }>();
      for (const table of all) {
        for (const key of table.pageKeys()) {
          const page = table.page(key);
          const name = `${table.name} ${Buffer.from(key).toString('hex')}`;
          if (page !== undefined) found.set(name, { table, key, page });
        }
      }
      return found;
    },
    messages() {
      for (const table of [store.table, ...all]) table.recovered?.();
      return store.count;
    },
  };
}

interface Client {
  readonly serial: number;
  end: number;
}

/** What some clients do, as the broker writes it down. */
function randomLife(random: Random, frames: number): Life {
  const clients: (Client | undefined)[] = [undefined, undefined, undefined];
  const groups = new Map<string, number>();
  let serial = 0;
  let message = 0;
  const some = (end: number): number => Math.max(1, end - 1 - random.below(12));
  const written: Entry[] = [];
  const groupLog = {
    add(table: number, entry: Uint8Array) {
      written.push({ table, bytes: entry.slice() });
      return 0;
    },
  } as StateLog;
  const writer = createGroupQueues(createMessageStore({ maxMessages: 1, maxBytes: 2 ** 20 }), () => groupLog);
  const session = (bytes: Uint8Array): void => {
    written.push({ table: TableId.Sessions, bytes: bytes.slice() });
  };

  const act = (): void => {
    const at = random.below(clients.length);
    const client = clients[at];
    if (client === undefined || random.oneIn(12)) {
      if (client !== undefined && random.oneIn(2)) {
        session(encodeEntry.end(client.serial));
        clients[at] = undefined;
        return;
      }
      const opened = client ?? { serial: ++serial, end: 1 };
      clients[at] = opened;
      const expirySeconds = 10 + random.below(3);
      session(
        encodeEntry.open({ serial: opened.serial, clientId: `client-${at}`, expirySeconds, will: undefined }),
      );
      return;
    }
    const { serial: own } = client;
    const filter = Buffer.from(`filter/${random.below(3)}`);
    const acts = [
      () => {
        const to = clients.filter((each) => each !== undefined);
        message++;
        const seqs = to.map((each) => each.end++);
        const options = to.map(() => 1 + random.below(2));
        session(encodeEntry.deliver(message, to, options, seqs));
      },
      () => {
        const seq = some(client.end);
        if (seq < client.end) session(encodeEntry.settle(own, seq));
      },
      () => {
        const to = clients.filter((each) => each !== undefined);
        const count = 1 + random.below(70);
        const options = to.map(() => 1 + random.below(2));
        const seqs = to.map((each) => each.end);
        session(encodeEntry.deliverRun(message + 1, count, to, options, seqs));
        message += count;
        for (const each of to) each.end += count;
      },
      () => {
        const seq = some(client.end);
        if (seq < client.end) session(encodeEntry.settleRun(own, seq, 1 + random.below(client.end - seq)));
      },
      () => session(encodeEntry.sent(own, client.end)),
      () => {
        const seq = some(client.end);
        if (seq < client.end) session(encodeEntry.released(own, seq));
      },
      () => session(encodeEntry.received(own, 1 + random.below(5))),
      () => session(encodeEntry.forgot(own, 1 + random.below(5))),
      () => session(encodeEntry.subscribe(own, { group: undefined, filter }, 1 + random.below(2), 0)),
      () => session(encodeEntry.unsubscribe(own, { group: undefined, filter })),
      () => session(encodeEntry.detach(own, 1000 + random.below(9), 20, random.oneIn(2))),
      () => {
        const key = `$share/${random.below(2)}/x`;
        const end = groups.get(key) ?? 1;
        const draw = random.below(20);
        if (draw === 0) {
          writer.push(key, -1, 0);
          writer.drop(key);
          groups.delete(key);
        } else if (draw < 12) {
          writer.writeEnqueue(key, ++message, 1, end);
          groups.set(key, end + 1);
        }
      },
    ];
    (random.oneIn(2) ? acts[0] : random.pick(acts))?.();
  };

  return Array.from({ length: frames }, () => {
    written.length = 0;
    for (let left = 1 + random.below(4); left > 0; left--) act();
    return [...written];
  });
}

const text = (tables: Tables): [string, string][] =>
  [...tables.pages()]
    .map(([name, { page }]): [string, string] => [name, Buffer.from(page).toString('hex')])
    .sort();

describe('pages of sessions and groups', () => {
  it('are right with what is replayed on top of them, however much of that they have already', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(40), fc.nat(40), fc.nat(40), (seed, start, pending, rest) => {
        const random = createRandom(seed);
        const life = randomLife(random, start + pending + rest);
        const whole = createTables();
        whole.apply(life, 0, life.length);

        const early = createTables();
        early.apply(life, 0, start);
        const earlyPages = early.pages();
        early.apply(life, start, start + pending);
        const latePages = early.pages();
        const restarted = createTables();
        for (const name of new Set([...earlyPages.keys(), ...latePages.keys()])) {
          const earlyPage = earlyPages.get(name);
          const latePage = latePages.get(name);
          // Each page at its own time; stamped with what was acknowledged by then, which is never more than it has.
          const isLate = random.oneIn(2);
          const chosen = isLate ? latePage : earlyPage;
          if (chosen === undefined) continue;
          const stamp = start + (isLate ? random.below(pending + 1) : 0);
          const id = chosen.table.id;
          restarted.all.find((table) => table.id === id)?.load(chosen.key, chosen.page, stamp);
        }
        restarted.apply(life, start, life.length);
        expect(text(restarted)).toEqual(text(whole));
        expect(restarted.messages()).toBe(whole.messages());
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 50) },
    );
  });

  it('are all taken that changed, also those of sessions that were loaded and of neighbours that ended', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }), (seed, steps) => {
        const life = randomLife(
          createRandom(seed),
          steps.reduce((sum, step) => sum + step, 0),
        );
        const kept = new Map<string, { table: number; key: Uint8Array; page: Uint8Array }>();
        let tables = createTables();
        let at = 0;
        for (const step of steps) {
          tables.apply(life, at, at + step);
          at += step;
          for (const table of tables.all) {
            for (const key of table.takeDirty(Number.MAX_SAFE_INTEGER)) {
              const name = `${table.name} ${Buffer.from(key).toString('hex')}`;
              const page = table.page(key);
              if (page === undefined) kept.delete(name);
              else kept.set(name, { table: table.id, key, page });
            }
          }
          expect(
            [...kept].map(([name, { page }]) => [name, Buffer.from(page).toString('hex')]).sort(),
          ).toEqual(text(tables));
          // A start on what was kept, after which only changes are taken.
          tables = createTables();
          for (const { table: id, key, page } of kept.values()) {
            tables.all.find((table) => table.id === id)?.load(key, page, at);
          }
        }
      }),
      { numRuns: Number(process.env.ROBUSTMQ_TEST_RUNS ?? 50) },
    );
  });
});
