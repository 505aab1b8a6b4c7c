/** Aedes from npm, the best-known broker of the Node world, in a process of its own (aedes.mjs). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Peer, startProcess, waitFor } from './peer.ts';

const script = fileURLToPath(new URL('aedes.mjs', import.meta.url));
const manifest = new URL('../../node_modules/aedes/package.json', import.meta.url);

function installedVersion(): string | undefined {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}

export function aedesPeer(): Peer {
  const version = installedVersion();
  return {
    name: 'Aedes',
    version: version ?? '',
    unavailable: version === undefined ? 'not installed' : undefined,
    async start({ core }) {
      const broker = startProcess(core, [process.execPath, script]);
      let printed = '';
      broker.child.stdout?.on('data', (chunk: Buffer) => {
        if (printed.length < 16) printed += chunk.toString();
      });
      const port = await waitFor(broker, async () => (printed.endsWith('\n') ? Number(printed) : undefined));
      return { pid: broker.pid, host: '127.0.0.1', port, crash: broker.crash, stop: broker.stop };
    },
  };
}
