/**
 * What a message costs that waits for durable sessions, without a disk: queued for 1,000 sessions at a time, settled
 * again, and rebuilt from pages after a start.
 *
 *   node --import tsx bench/message-store.ts
 */
import { ByteReader, ByteWriter } from '../src/kernel/binary.ts';
import type { Message } from '../src/kernel/message.ts';
import { createMessageStore, type MessageStore } from '../src/kernel/message-store/message-store.ts';
import { createReferencePools } from '../src/kernel/reference-queue/chunk-pool.ts';
import { decodeReferenceQueue, ReferenceQueue } from '../src/kernel/reference-queue/reference-queue.ts';
import type { StateLog } from '../src/kernel/state/state-log.ts';

const SESSIONS = 1000;
const PER_SESSION = 3000;
const MESSAGES = 1_000_000;

/** Takes entries and forgets them. */
function blackHole(): StateLog {
  let offset = 1;
  return {
    add: (_, entry) => {
      offset += entry.length + 2;
      return offset;
    },
    addRecord: () => {},
    commit: () => {},
    onFlush: () => {},
    read: () => Promise.reject(new Error('nothing is kept')),
    drained: () => Promise.resolve(),
    refusal: () => undefined,
    isBusy: () => false,
    isCrowded: () => false,
    onReady: () => {},
    end: () => offset,
    checkpoint: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

const message = (n: number): Message => ({
  topic: Buffer.from(`sensors/${n % 1000}/temperature`),
  payload: new Uint8Array(64),
  properties: new Uint8Array(0),
  qos: 1,
  retain: false,
  expiresAtMs: 0,
  publisher: -1,
});

function emptyStore(): MessageStore {
  const store = createMessageStore({ maxMessages: 2 * MESSAGES, maxBytes: 2 ** 32 });
  store.attach(blackHole());
  return store;
}

function report(name: string, operations: number, run: () => string | undefined): void {
  const startMs = performance.now();
  const note = run();
  const tookMs = performance.now() - startMs;
  const figure = Math.round((operations / tookMs) * 1000).toLocaleString('en');
  process.stdout.write(
    `${name.padEnd(56)}${figure.padStart(12)}/s   ${note ?? `${Math.round(tookMs)} ms`}\n`,
  );
}

function storeOne(store: MessageStore, n: number): number {
  const slot = store.put(message(n));
  store.placed(slot, 1000 * (n >> 8), store.stage(slot));
  return slot;
}

function fanOut(): void {
  const store = emptyStore();
  store.table.recovered?.();
  const pools = createReferencePools();
  const queues = Array.from({ length: SESSIONS }, () => new ReferenceQueue(pools));
  const deliveries = SESSIONS * PER_SESSION;
  report(`1 publisher -> ${SESSIONS} sessions: queued`, deliveries, () => {
    for (let n = 0; n < PER_SESSION; n++) {
      const slot = storeOne(store, n);
      for (const queue of queues) {
        queue.push(slot, 1);
        store.addReference(slot);
      }
      store.release(slot);
    }
    return `${(pools.large.bytes / deliveries).toFixed(2)} bytes of memory each`;
  });
  report('pages of these sessions: written', deliveries, () => {
    const pages = queues.map((queue) => {
      const to = new ByteWriter(8192);
      queue.encode(to, store.idOf);
      return to.finish();
    });
    return `${(pages.reduce((sum, page) => sum + page.length, 0) / deliveries).toFixed(2)} bytes each`;
  });
  const to = new ByteWriter();
  queues[0]?.encode(to, store.idOf);
  const page = to.finish();
  report('pages of these sessions: read', deliveries, () => {
    const others = createReferencePools();
    for (let i = 0; i < SESSIONS; i++) decodeReferenceQueue(new ByteReader(page), others, store.slotOfId);
    return undefined;
  });
  report('settled, in order', deliveries, () => {
    for (let n = 0; n < PER_SESSION; n++) {
      for (const queue of queues) {
        store.release(queue.slotAt(queue.floor));
        queue.settle(queue.floor);
      }
    }
    return `${store.count} messages left`;
  });
}

function restart(): void {
  const store = emptyStore();
  store.table.recovered?.();
  report('messages: put, staged, placed', MESSAGES, () => {
    for (let n = 0; n < MESSAGES; n++) storeOne(store, n);
    return undefined;
  });
  const pages: [Uint8Array, Uint8Array][] = [];
  report('messages: pages written', MESSAGES, () => {
    for (const key of store.table.pageKeys()) pages.push([key, store.table.page(key) ?? key]);
    return `${(pages.reduce((sum, [, page]) => sum + page.length, 0) / MESSAGES).toFixed(1)} bytes each`;
  });
  const next = emptyStore();
  report('messages: pages read', MESSAGES, () => {
    for (const [key, page] of pages) next.table.load(key, page, 0);
    return undefined;
  });
  report('messages: found by id and referenced', MESSAGES, () => {
    for (let id = 1; id <= MESSAGES; id++) next.addReference(next.slotOfId(id));
    return undefined;
  });
  report('messages: recovered', MESSAGES, () => {
    next.table.recovered?.();
    return `${next.count} messages`;
  });
}

for (let round = 0; round < 2; round++) {
  process.stdout.write(round === 0 ? 'warm-up\n' : '\nmeasured\n');
  fanOut();
  restart();
}
