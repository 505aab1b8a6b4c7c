/**
 * Mosquitto as a distribution ships it, set up for speed: no queue limits, Nagle's algorithm off, nothing persisted
 * unless asked: then at its defaults, which write everything to a file from time to time and sync nothing per message.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort, type Peer, startProcess, waitFor } from './peer.ts';

/** Debian puts it where an ordinary user's PATH does not look. */
const places = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'];

function configuration(port: number, persistIn: string | undefined): string {
  // Started by root it would otherwise change to a user that may not exist.
  const user = userInfo().uid === 0 ? ['user root'] : [];
  return [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    ...(persistIn === undefined
      ? ['persistence false']
      : ['persistence true', `persistence_location ${persistIn}/`]),
    'max_queued_messages 0',
    'max_queued_bytes 0',
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
    'log_type error',
    ...user,
    '',
  ].join('\n');
}

export function mosquittoPeer(options: { readonly persistence?: boolean } = {}): Peer {
  const isPersistent = options.persistence === true;
  const program = places.find((place) => existsSync(place)) ?? 'mosquitto';
  const help = spawnSync(program, ['-h'], { encoding: 'utf8' });
  const version = /mosquitto version (\S+)/.exec(help.stdout ?? '')?.[1];
  return {
    name: isPersistent ? 'Mosquitto, persistence' : 'Mosquitto',
    version: version ?? '',
    unavailable: version === undefined ? 'not installed' : undefined,
    async start({ core }) {
      const directory = mkdtempSync(join(tmpdir(), 'mosquitto-bench-'));
      const port = await freePort();
      const file = join(directory, 'mosquitto.conf');
      writeFileSync(file, configuration(port, isPersistent ? directory : undefined));
      const broker = startProcess(core, [program, '-c', file]);
      const remove = (): void => rmSync(directory, { recursive: true, force: true });
      try {
        await waitFor(broker, () => accepts(port));
      } catch (error) {
        remove();
        throw error;
      }
      return {
        pid: broker.pid,
        host: '127.0.0.1',
        port,
        crash: broker.crash,
        async stop() {
          await broker.stop();
          remove();
        },
      };
    },
  };
}
