import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../../src/kernel/binary.ts';
import { createMessageStore, type MessageStore } from '../../../src/kernel/message-store/message-store.ts';
import { openStateLog } from '../../../src/kernel/state/open.ts';
import type { OpenStateLog } from '../../../src/kernel/state/state-log.ts';
import { type Table, TableId } from '../../../src/kernel/state/table.ts';
import { type FaultyDisk, faultyDisk } from '../../storage/disk/faulty-disk.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { journalOn } from '../state/support.ts';
import { LIMITS, message } from './support.ts';

/** Who waits for a message, in the least bytes: an entry is an id. */
function waiters(store: MessageStore): Table {
  return {
    id: TableId.Sessions,
    name: 'waiters',
    apply(entry) {
      store.addReference(store.slotOfId(new ByteReader(entry).uint()));
    },
    load() {},
    pageKeys: () => [],
    page: () => undefined,
    takeDirty: () => [],
  };
}

async function openOn(disk: FaultyDisk): Promise<{ log: OpenStateLog; store: MessageStore }> {
  const store = createMessageStore({ ...LIMITS, maxCacheBytes: 0 });
  const tables = [store.table, waiters(store)];
  const log = await openStateLog({ journal: await journalOn(disk), tables, clock: createManualClock() });
  store.attach(log);
  return { log, store };
}

function publish(log: OpenStateLog, store: MessageStore, n: number, isWaitedFor: boolean): Promise<number> {
  const slot = store.put(message(n));
  const offset = store.stage(slot);
  if (isWaitedFor) log.add(TableId.Sessions, new ByteWriter().uint(store.idOf(slot)).finish());
  return new Promise((resolve, reject) => {
    log.commit('sync', (error, position) => {
      if (error !== undefined) return reject(error);
      store.placed(slot, position, offset);
      resolve(slot);
    });
  });
}

describe('the message store on the state log', () => {
  it('has its messages again after a restart, and finds them where evacuation put them', async () => {
    const disk = faultyDisk(3);
    const first = await openOn(disk);
    const published = Array.from({ length: 300 }, (_, n) =>
      publish(first.log, first.store, n, n % 3 === 0).then((slot) => first.store.idOf(slot)),
    );
    const ids = await Promise.all(published);
    await first.log.close();

    const second = await openOn(disk);
    const slots = ids.map((id) => second.store.slotOfId(id));
    expect(slots.filter((slot) => slot !== -1).length).toBe(100);
    const check = async () => {
      const kept = slots.filter((slot) => slot !== -1);
      await second.store.load(kept);
      slots.forEach((slot, n) => {
        if (n % 3 === 0) expect(second.store.get(slot)).toEqual(message(n));
      });
    };
    await check();
    const end = second.log.end();
    await second.store.table.evacuate?.(0, end);
    expect(second.store.table.liveBytes?.(0, end)).toBe(0);
    await check();
    expect(second.store.idOf(await publish(second.log, second.store, 1, true))).toBe(301);
    await second.log.close();
  });
});
