/**
 * The MQTT front-end on a journal that writes when the test says so, and that can be all that is left: what was written,
 * and views made of the pages that were marked as changed, are what the next life starts from.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import { pino } from 'pino';
import type { Config } from '../../../../src/config/config.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { createDeduplication } from '../../../../src/kernel/deduplication-table.ts';
import { createDelayed } from '../../../../src/kernel/delayed/delayed.ts';
import { NO_COPIES } from '../../../../src/kernel/object-copies.ts';
import { createRetainedStore } from '../../../../src/kernel/retained.ts';
import { createRouter } from '../../../../src/kernel/router.ts';
import type { Done, StateLog } from '../../../../src/kernel/state/state-log.ts';
import type { Table } from '../../../../src/kernel/state/table.ts';
import type { ConnectionHandler, Transport } from '../../../../src/net/transport.ts';
import {
  createDurable,
  createDurableTables,
  type DurableTables,
} from '../../../../src/protocols/mqtt/durable/durable.ts';
import { createMqttFrontEnd, type MqttFrontEnd } from '../../../../src/protocols/mqtt/front-end.ts';
import { createSessionRegistry } from '../../../../src/protocols/mqtt/session-registry.ts';
import { createDataPlane } from '../../../../src/wasm/create-data-plane.ts';
import type { DataPlane } from '../../../../src/wasm/data-plane.ts';
import { createManualClock, type ManualClock } from '../../../support/manual-clock.ts';
import { decodeServerPacket, type ServerPacket } from '../../../support/server-packet.ts';

interface Entry {
  readonly table: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface Frame {
  readonly position: number;
  readonly entries: readonly Entry[];
  readonly payload: Uint8Array;
}

interface View {
  readonly table: number;
  readonly key: Uint8Array;
  readonly page: Uint8Array;
  readonly stamp: number;
}

/** What outlives a process. */
export interface Disk {
  readonly frames: Frame[];
  end: number;
  readonly views: Map<string, View>;
  /** Where the replay on top of the views begins; -1 = there are none. */
  viewsFrom: number;
  wallMs: number;
}

export function emptyDisk(): Disk {
  return { frames: [], end: 0, views: new Map(), viewsFrom: -1, wallMs: Date.UTC(2026, 0, 1) };
}

class HeldLog implements StateLog {
  readonly #disk: Disk;
  #entries: Entry[] = [];
  #length = 0;
  #dones: Done[] = [];
  isDead = false;
  /** Why it takes nothing new. */
  refused: ReturnType<StateLog['refusal']>;
  onReady = (): void => {};

  constructor(disk: Disk) {
    this.#disk = disk;
  }
  add(table: number, entry: Uint8Array): number {
    const offset = this.#length + 2;
    this.#entries.push({ table, offset, bytes: entry.slice() });
    this.#length = offset + entry.length;
    return offset;
  }
  commit(_level: string, done?: Done): void {
    if (done !== undefined) this.#dones.push(done);
  }
  get isWritten(): boolean {
    return this.#entries.length === 0 && this.#dones.length === 0;
  }
  /** Writes what there is as a frame. */
  write(): void {
    if (this.isDead || this.isWritten) return;
    const [entries, dones, position] = [this.#entries, this.#dones, this.#disk.end];
    const payload = new Uint8Array(this.#length);
    for (const { offset, bytes } of entries) payload.set(bytes, offset);
    this.#entries = [];
    this.#dones = [];
    this.#length = 0;
    this.#disk.frames.push({ position, entries, payload });
    for (const done of dones) done(undefined, position);
    this.#disk.end = position + payload.length + 1;
  }
  /** What there is cannot be written. */
  fail(): void {
    const dones = this.#dones;
    this.#entries = [];
    this.#dones = [];
    this.#length = 0;
    for (const done of dones) done(new Error('the disk is gone'), -1);
  }
  async read(position: number, offset: number, length: number): Promise<Uint8Array> {
    const frame = this.#disk.frames.find((each) => each.position === position);
    if (frame === undefined) throw new RangeError(`nothing at ${position}`);
    return frame.payload.slice(offset, offset + length);
  }
  end = (): number => this.#disk.end;
  addRecord(): void {}
  onFlush(): void {}
  drained = () => Promise.resolve();
  refusal = () => this.refused;
  isBusy = () => false;
  isCrowded = () => false;
  checkpoint = () => Promise.resolve();
  close = () => Promise.resolve();
}

/** One end of a connection: what the broker sends, decoded. */
export class Link implements Transport {
  readonly kind = 'tcp';
  readonly listener = 'mqtt';
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 1883;
  readonly serverName = undefined;
  readonly peerCertificate = undefined;
  readonly inbox: ServerPacket[] = [];
  isGone = false;
  readonly #window: Uint8Array;
  #handler: ConnectionHandler | undefined;
  #rest = Buffer.alloc(0);

  constructor(window: Uint8Array) {
    this.#window = window;
  }
  accepted(handler: ConnectionHandler | undefined): void {
    this.#handler = handler;
  }
  send(bytes: Uint8Array): void {
    if (this.isGone) return;
    this.#window.set(bytes);
    this.#handler?.read(bytes.length);
  }
  write(views: readonly Uint8Array[], done: () => void): void {
    if (!this.isGone) {
      this.#rest = Buffer.concat([this.#rest, ...views]);
      for (;;) {
        const packet = decodeServerPacket(this.#rest, 5);
        if (packet === undefined) break;
        this.#rest = this.#rest.subarray(packet.frame.length);
        this.inbox.push(packet);
      }
    }
    done();
  }
  pause(): void {}
  resume(): void {}
  end(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.isGone) return;
    this.isGone = true;
    setImmediate(() => this.#handler?.closed(undefined));
  }
}

export interface MortalBroker {
  readonly tables: DurableTables;
  readonly frontEnd: MqttFrontEnd;
  readonly dataPlane: DataPlane;
  readonly clock: ManualClock;
  /** Logged errors: defects, since nothing a client does is one. */
  readonly defects: string[];
  connect(): Link;
  /** Lets everything happen that does not wait for the journal. */
  settle(): Promise<void>;
  /** What waits for the journal is written. */
  write(): Promise<void>;
  /** What waits for the journal cannot be written. */
  fail(): Promise<void>;
  /** The journal takes nothing new. */
  refuse(why: 'full' | 'failed' | undefined): void;
  /** Nothing waits for the journal. */
  readonly isWritten: boolean;
  /** Changed pages are written to the views, in two parts between which `between` runs. */
  checkpoint(between: () => Promise<void>): Promise<void>;
  /** What was not written is lost. */
  kill(): void;
}

export async function configOf(
  settings: Readonly<Record<string, string | number | boolean>>,
): Promise<Config> {
  const sets = { 'sys.interval': 0, 'logging.level': 'silent', 'storage.engine': 'memory', ...settings };
  const loaded = await loadConfig({ sets: Object.entries(sets).map(([key, value]) => `${key}=${value}`) });
  if (!loaded.ok) throw new Error(`bad test settings: ${JSON.stringify(loaded.problems)}`);
  return loaded.config;
}

/** The state of the tables as a start leaves it, from the views or from the journal alone. */
export function recover(disk: Disk, tables: readonly Table[], from: 'views' | 'journal'): void {
  const byId = new Map(tables.map((table) => [table.id, table]));
  const start = from === 'views' ? disk.viewsFrom : -1;
  if (start >= 0) {
    for (const { table, key, page, stamp } of disk.views.values()) byId.get(table)?.load(key, page, stamp);
  }
  for (const { position, entries } of disk.frames) {
    if (position < start) continue;
    for (const { table, bytes, offset } of entries) byId.get(table)?.apply(bytes, { position, offset });
  }
  for (const table of tables) table.recovered?.();
}

export function nodeTables(config: Config, clock: ManualClock) {
  const router = createRouter();
  const sessions = createSessionRegistry(config.limits.maxSessions);
  const tables = createDurableTables(config, router, sessions);
  const retained = createRetainedStore(config.mqtt.retained, clock);
  const delayed = createDelayed({ maxMessages: 1000, maxBytes: 1 << 20 });
  const deduplication = createDeduplication({ maxIds: 1000, windowMs: 60_000 });
  const all: Table[] = [...tables.all, retained.table, delayed.table, deduplication.table];
  return { router, sessions, tables, retained, delayed, deduplication, all };
}

/** All pages, by table and key. */
export function pagesOf(tables: readonly Table[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const table of tables) {
    for (const key of table.pageKeys()) {
      const page = table.page(key);
      if (page === undefined) continue;
      found.set(`${table.name} ${Buffer.from(key).toString('hex')}`, Buffer.from(page).toString('hex'));
    }
  }
  return found;
}

export async function startBroker(
  config: Config,
  disk: Disk,
  from: 'views' | 'journal',
): Promise<MortalBroker> {
  const clock = createManualClock(disk.wallMs);
  const { all, tables, ...parts } = nodeTables(config, clock);
  recover(disk, all, from);
  const log = new HeldLog(disk);
  tables.attach(log);
  const dataPlane = createDataPlane({
    maxConnections: 64,
    memoryBytes: 32 * 1024 * 1024,
    flowCacheEntries: 256,
    strictText: false,
  });
  const defects: string[] = [];
  const frontEnd = createMqttFrontEnd({
    config,
    clock,
    logger: pino({ level: 'error' }, { write: (line: string) => void defects.push(line) }),
    random: () => 0.5,
    dataPlane,
    ...parts,
    durable: createDurable(config, tables, log, NO_COPIES),
    streams: { capturing: () => [], append: () => 'full' as const },
    version: '0',
  });
  const links: Link[] = [];

  async function settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await immediate();
  }
  async function write(): Promise<void> {
    log.write();
    await settle();
  }
  // What a start from the journal changes has to reach the views in full.
  let isViewed = from === 'views' && disk.viewsFrom >= 0;

  return {
    tables,
    frontEnd,
    dataPlane,
    clock,
    defects,
    connect() {
      const link = new Link(dataPlane.readWindow);
      link.accepted(frontEnd.accept(link));
      links.push(link);
      return link;
    },
    settle,
    write,
    async fail() {
      log.fail();
      await settle();
    },
    refuse(why) {
      log.refused = why;
    },
    get isWritten() {
      return log.isWritten;
    },
    async checkpoint(between) {
      log.write();
      const position = disk.end;
      const changed = all.map((table) => table.takeDirty(Number.MAX_SAFE_INTEGER));
      if (!isViewed) {
        disk.views.clear();
        disk.viewsFrom = -1;
      }
      for (const [index, table] of all.entries()) {
        const keys = [...(isViewed ? (changed[index] ?? []) : table.pageKeys())];
        for (const [i, key] of keys.entries()) {
          if (i === keys.length >> 1) await between();
          if (log.isDead) return;
          const page = table.page(key);
          const stamp = disk.end;
          // Never ahead of the journal.
          log.write();
          const name = `${table.id} ${Buffer.from(key).toString('hex')}`;
          if (page === undefined) disk.views.delete(name);
          else disk.views.set(name, { table: table.id, key: key.slice(), page: page.slice(), stamp });
        }
      }
      isViewed = true;
      disk.viewsFrom = position;
    },
    kill() {
      log.isDead = true;
      disk.wallMs = clock.wallMs();
      for (const link of links) link.isGone = true;
    },
  };
}
