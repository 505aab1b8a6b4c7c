/**
 * The MQTT front-end without sockets: transports that live in memory, on one read window, driven by the test. A
 * transport keeps the contract of src/net/transport.ts (nothing is read while it is paused, `closed` comes once and
 * never from inside a call of the front-end) and writes as fast, slowly or never as it is told.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { loadConfig } from '../../src/config/load.ts';
import { openDurableTier } from '../../src/durable-tier.ts';
import { createDeduplication } from '../../src/kernel/deduplication-table.ts';
import { createDelayed } from '../../src/kernel/delayed/delayed.ts';
import { NO_COPIES } from '../../src/kernel/object-copies.ts';
import { createRetainedStore, type RetainedStore } from '../../src/kernel/retained.ts';
import { createRouter, type Router } from '../../src/kernel/router.ts';
import type { ConnectionHandler, Transport } from '../../src/net/transport.ts';
import { createDurable, createDurableTables } from '../../src/protocols/mqtt/durable/durable.ts';
import {
  createMqttFrontEnd,
  type MqttFrontEnd,
  type MqttFrontEndOptions,
} from '../../src/protocols/mqtt/front-end.ts';
import { createSessionRegistry } from '../../src/protocols/mqtt/session-registry.ts';
import { createDataPlane } from '../../src/wasm/create-data-plane.ts';
import type { DataPlane } from '../../src/wasm/data-plane.ts';
import type { Settings } from './broker.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';

export type WriteSpeed = 'at once' | 'later' | 'never';

export class FakeConnection implements Transport {
  readonly kind = 'tcp';
  readonly listener = 'mqtt';
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 1883;
  readonly serverName = undefined;
  readonly peerCertificate = undefined;
  readonly #network: FakeNetwork;
  #handler: ConnectionHandler | undefined;
  readonly #speed: WriteSpeed;
  readonly #onBytes: ((bytes: Buffer) => void) | undefined;
  #isPaused = false;
  #waiting: Buffer[] = [];
  #writeDone: (() => void) | undefined;
  isGone = false;

  constructor(network: FakeNetwork, speed: WriteSpeed, onBytes: ((bytes: Buffer) => void) | undefined) {
    this.#network = network;
    this.#speed = speed;
    this.#onBytes = onBytes;
  }

  accepted(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  /** Bytes from the client. They wait while the front-end has paused it. */
  receive(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.deliver();
  }

  deliver(): void {
    const { window } = this.#network;
    while (!this.#isPaused && !this.isGone) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      for (let from = 0; from < bytes.length && !this.isGone; from += window.length) {
        const piece = bytes.subarray(from, from + window.length);
        window.set(piece);
        this.#handler?.read(piece.length);
      }
    }
  }

  write(views: readonly Uint8Array[], done: () => void): void {
    if (this.#writeDone !== undefined) throw new Error('a second write while one is under way');
    if (views.length === 0) throw new Error('an empty write');
    this.#onBytes?.(Buffer.concat(views));
    if (this.#speed === 'at once' || this.isGone) {
      done();
      return;
    }
    this.#writeDone = done;
    if (this.#speed === 'later') this.#network.later(() => this.#settle());
  }

  #settle(): void {
    const done = this.#writeDone;
    this.#writeDone = undefined;
    done?.();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#network.later(() => this.deliver());
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#waiting = [];
    this.#network.later(() => {
      this.#settle();
      this.#handler?.closed(undefined);
    });
  }
}

export type FakeServices = Partial<Pick<MqttFrontEndOptions, 'authenticator' | 'authMethods' | 'authorizer'>>;

/** A front-end with everything below it in reach of the test. */
export class FakeNetwork {
  readonly clock: ManualClock;
  readonly dataPlane: DataPlane;
  readonly router: Router;
  readonly retained: RetainedStore;
  readonly frontEnd: MqttFrontEnd;
  /** What was logged as an error or worse: defects, since nothing a client does is one. */
  readonly defects: string[] = [];
  #later: (() => void)[] = [];

  private constructor(
    config: MqttFrontEndOptions['config'],
    random: () => number,
    services: FakeServices,
    clock: ManualClock,
    parts: Pick<
      MqttFrontEndOptions,
      'router' | 'retained' | 'sessions' | 'durable' | 'delayed' | 'deduplication' | 'streams'
    >,
  ) {
    this.clock = clock;
    this.dataPlane = createDataPlane({
      maxConnections: config.limits.maxConnections,
      memoryBytes: config.dataplane.memoryBytes,
      flowCacheEntries: config.dataplane.flowCache === 'on' ? config.dataplane.flowCacheEntries : 0,
      strictText: config.mqtt.strictUtf8,
    });
    this.router = parts.router;
    this.retained = parts.retained;
    const logger = pino({ level: 'error' }, { write: (line: string) => void this.defects.push(line) });
    this.frontEnd = createMqttFrontEnd({
      config,
      clock: this.clock,
      logger,
      random,
      dataPlane: this.dataPlane,
      ...parts,
      version: '0',
      ...services,
    });
  }

  static async create(
    settings: Settings,
    random: () => number,
    services: FakeServices = {},
  ): Promise<FakeNetwork> {
    const loaded = await loadConfig({
      sets: Object.entries({
        'sys.interval': 0,
        'logging.level': 'silent',
        'storage.engine': 'memory',
        ...settings,
      }).map(([key, value]) => `${key}=${value}`),
    });
    if (!loaded.ok) throw new Error(`bad test settings: ${JSON.stringify(loaded.problems)}`);
    const { config } = loaded;
    const clock = createManualClock();
    const router = createRouter();
    const retained = createRetainedStore(config.mqtt.retained, clock);
    const sessions = createSessionRegistry(config.limits.maxSessions);
    const tables = createDurableTables(config, router, sessions);
    const delayed = createDelayed({ maxMessages: 1000, maxBytes: 1 << 20 });
    const deduplication = createDeduplication({ maxIds: 1000, windowMs: 60_000 });
    const { log } = await openDurableTier({
      config,
      clock,
      logger: pino({ level: 'silent' }),
      tables: () => [...tables.all, retained.table, delayed.table, deduplication.table],
      sourcesOf: () => [],
      retain: async () => {},
      journalFolder: '',
      viewsFolder: '',
      onFailure: () => {},
    });
    tables.attach(log);
    const durable = createDurable(config, tables, log, NO_COPIES);
    const streams = { capturing: () => [], append: () => 'full' as const };
    const parts = { router, retained, sessions, durable, delayed, deduplication, streams };
    return new FakeNetwork(config, random, services, clock, parts);
  }

  get window(): Uint8Array {
    return this.dataPlane.readWindow;
  }

  later(action: () => void): void {
    this.#later.push(action);
  }

  /** Undefined when the front-end refuses the connection. */
  connect(speed: WriteSpeed, onBytes?: (bytes: Buffer) => void): FakeConnection | undefined {
    const connection = new FakeConnection(this, speed, onBytes);
    const handler = this.frontEnd.accept(connection);
    if (handler === undefined) return undefined;
    connection.accepted(handler);
    return connection;
  }

  /** One turn of the event loop: what was put off happens, then the front-end writes. */
  async turn(): Promise<void> {
    const due = this.#later;
    this.#later = [];
    for (const action of due) action();
    await nextTurn();
  }

  get isIdle(): boolean {
    return this.#later.length === 0;
  }
}
