/** Our own broker, started by its command line as a user starts it: what `npm run build` made, default limits. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Peer, startProcess, waitFor } from './peer.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'build/js/cli/main.js');

interface ReadyFile {
  readonly listeners: { readonly mqtt?: { readonly host: string; readonly port: number } };
}

function readReady(path: string): ReadyFile | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ReadyFile) : undefined;
}

export function robustmqPeer(): Peer {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    name: 'RobustMQ',
    version,
    unavailable: existsSync(main) ? undefined : 'not built: npm run build',
    async start({ core, robustmqSettings }) {
      const directory = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
      const readyFile = join(directory, 'ready.json');
      const settings = [
        'listeners.mqtt.port=0',
        'listeners.ws.enabled=false',
        'listeners.kafka.enabled=false',
        'listeners.http.enabled=false',
        'logging.level=error',
        ...robustmqSettings,
      ];
      const broker = startProcess(core, [
        process.execPath,
        main,
        'start',
        '--data-dir',
        join(directory, 'data'),
        '--ready-file',
        readyFile,
        ...settings.flatMap((setting) => ['--set', setting]),
      ]);
      const remove = (): void => rmSync(directory, { recursive: true, force: true });
      try {
        const ready = await waitFor(broker, async () => readReady(readyFile));
        const address = ready.listeners.mqtt;
        if (address === undefined) throw new Error(`no MQTT listener: ${JSON.stringify(ready)}`);
        const { host, port } = address;
        return {
          pid: broker.pid,
          host,
          port,
          crash: broker.crash,
          async stop() {
            await broker.stop();
            remove();
          },
        };
      } catch (error) {
        await broker.stop();
        remove();
        throw error;
      }
    },
  };
}
