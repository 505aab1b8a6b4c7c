/** Our own broker on a data directory that stays when it is killed, with a look into its heap. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { startProcess, waitFor } from '../peers/peer.ts';

/** The command as `npm run build` made it. */
export const main = fileURLToPath(new URL('../../build/js/cli/main.js', import.meta.url));
const INSPECTOR = /ws:\/\/\S+/;

export interface BrokerOptions {
  readonly folder: string;
  readonly port: number;
  /** As `--set` takes them. */
  readonly settings: readonly string[];
  readonly configFile?: string;
  readonly core: number | undefined;
  /** With a look into its heap, at some cost. */
  readonly inspect: boolean;
}

export interface DurableBroker {
  readonly pid: number;
  readonly port: number;
  crash(): string | undefined;
  /** Heap and array buffers after a full collection. */
  liveBytes(): Promise<number>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Does not wait until it listens. */
export function launchBroker(options: BrokerOptions): DurableBroker {
  const { folder, port, configFile } = options;
  const settings = [
    `listeners.mqtt.port=${port}`,
    'listeners.ws.enabled=false',
    'listeners.kafka.enabled=false',
    'listeners.http.enabled=false',
    'logging.level=error',
    ...options.settings,
  ];
  const broker = startProcess(options.core, [
    process.execPath,
    ...(options.inspect ? ['--inspect=127.0.0.1:0'] : []),
    main,
    'start',
    '--data-dir',
    join(folder, 'data'),
    ...(configFile === undefined ? [] : ['--config', configFile]),
    ...settings.flatMap((setting) => ['--set', setting]),
  ]);
  let printed = '';
  broker.child.stderr?.on('data', (chunk: Buffer) => {
    if (printed.length < 1000) printed += chunk.toString();
  });
  return {
    pid: broker.pid,
    port,
    crash: broker.crash,
    stop: () => broker.stop(),
    kill: () => broker.stop('SIGKILL'),
    async liveBytes() {
      const address = await waitFor(broker, async () => INSPECTOR.exec(printed)?.[0]);
      return await readLiveBytes(address);
    },
  };
}

/** Asks the inspector to collect, twice, for finalizers run after the first, and to evaluate what is left. */
async function readLiveBytes(address: string): Promise<number> {
  const socket = new WebSocket(address);
  try {
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    let lastId = 0;
    const ask = (method: string, params: object = {}): Promise<{ result?: { value?: unknown } }> =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const onMessage = (data: Buffer): void => {
          const answer = JSON.parse(data.toString()) as { id?: number; result?: object; error?: object };
          if (answer.id !== id) return;
          socket.off('message', onMessage);
          if (answer.result === undefined) reject(new Error(JSON.stringify(answer.error)));
          else resolve(answer.result);
        };
        socket.on('message', onMessage);
        socket.send(JSON.stringify({ id, method, params }));
      });
    await ask('HeapProfiler.collectGarbage');
    await ask('HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, arrayBuffers }) => heapUsed + arrayBuffers)(process.memoryUsage())';
    const { result } = await ask('Runtime.evaluate', { expression });
    return Number(result?.value);
  } finally {
    socket.terminate();
  }
}

/** Bytes of all files below a folder. */
export function bytesOnDisk(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      sum += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}
