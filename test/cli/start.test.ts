import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { banner } from '../../src/cli/banner.ts';
import { CliError } from '../../src/cli/exit-codes.ts';
import { type StartNode, type StartOptions, start } from '../../src/cli/start.ts';
import type { Config } from '../../src/config/config.ts';
import { defaultConfig } from '../../src/config/load.ts';
import type { RunningListener } from '../../src/node.ts';
import { type TestIo, testIo } from './support.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'robustmq-start-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const listeners: RunningListener[] = [
  { name: 'mqtt', address: { host: '127.0.0.1', port: 41883 } },
  { name: 'ws', address: { host: '127.0.0.1', port: 48083 } },
  { name: 'unix', address: { path: '/tmp/robustmq.sock' } },
];

interface Run {
  readonly io: TestIo;
  readonly ended: Promise<number>;
  /** Resolves when the node has been started, with its configuration. */
  readonly config: Promise<Config>;
  readonly calls: string[];
}

interface Setting extends Partial<StartOptions> {
  readonly startFails?: Error;
  readonly reloadFails?: Error;
  readonly whileStarting?: (io: TestIo) => void;
}

function runStart({ startFails, reloadFails, whileStarting, ...options }: Setting = {}): Run {
  const io = testIo();
  const calls: string[] = [];
  let started = (_config: Config): void => {};
  const config = new Promise<Config>((resolve) => {
    started = resolve;
  });
  const startNode: StartNode = async (given) => {
    whileStarting?.(io);
    if (startFails !== undefined) throw startFails;
    // The verb continues in the same turn; the test wants to see it listening.
    setImmediate(() => started(given));
    return {
      listeners,
      firstAdministrator: async () => false,
      stop: async () => void calls.push('stop'),
      reload: async () => {
        calls.push('reload');
        if (reloadFails !== undefined) throw reloadFails;
        return { changes: [], warnings: [] };
      },
    };
  };
  const set = ['logging.level=silent', ...(options.set ?? [])];
  const ended = start({ dataDir: join(folder, 'data'), ...options, set }, io, startNode);
  return { io, ended, config, calls };
}

describe('start', () => {
  it.each(['18.20.8', '20.18.3', '19.9.0'])(
    'says what is needed on Node %s, and touches nothing (item 52)',
    async (version) => {
      const dataDir = join(folder, 'data');
      const never: StartNode = () => Promise.reject(new Error('it was started'));
      const started = start({ dataDir, set: ['logging.level=silent'] }, testIo(), never, version);
      await expect(started).rejects.toThrow('20.19.0 or newer');
      expect(existsSync(dataDir)).toBe(false);
    },
  );

  it.each(['SIGTERM', 'SIGINT'] as const)('stops gracefully at %s and ends with 0', async (signal) => {
    const { io, ended, config, calls } = runStart();
    await config;
    io.signal(signal);
    expect(await ended).toBe(0);
    expect(calls).toEqual(['stop']);
    expect(io.exits).toEqual([]);
  });

  it('stops after a signal that came while it was starting', async () => {
    const { ended, calls } = runStart({ whileStarting: (io) => io.signal('SIGTERM') });
    expect(await ended).toBe(0);
    expect(calls).toEqual(['stop']);
  });

  it('exits at once at the second signal', async () => {
    const { io, ended, config } = runStart();
    await config;
    io.signal('SIGINT');
    io.signal('SIGINT');
    expect(io.exits).toEqual([1]);
    await ended;
  });

  it('reads configuration and certificates again at SIGHUP, and survives when they are wrong', async () => {
    const { io, ended, config, calls } = runStart({ reloadFails: new Error('bad certificate') });
    await config;
    io.signal('SIGHUP');
    io.signal('SIGHUP');
    expect(calls).toEqual(['reload', 'reload']);
    io.signal('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('exits with 70 at an exception that nothing caught', async () => {
    const { io, ended, config } = runStart();
    await config;
    io.crash(new Error('defect'));
    expect(io.exits).toEqual([70]);
    io.signal('SIGTERM');
    await ended;
  });

  it('writes every address to the ready file, whole, and creates the data directory', async () => {
    const readyFile = join(folder, 'ready.json');
    const { io, ended, config } = runStart({ readyFile });
    await config;
    while (!existsSync(readyFile)) await new Promise(setImmediate);
    expect(JSON.parse(readFileSync(readyFile, 'utf8'))).toEqual({
      pid: process.pid,
      listeners: {
        mqtt: { host: '127.0.0.1', port: 41883 },
        ws: { host: '127.0.0.1', port: 48083 },
        unix: { path: '/tmp/robustmq.sock' },
      },
    });
    expect(readdirSync(folder).sort()).toEqual(['data', 'ready.json']);
    io.signal('SIGTERM');
    await ended;
  });

  it('stops the node again when the ready file cannot be written', async () => {
    const { ended, calls } = runStart({ readyFile: join(folder, 'missing', 'ready.json') });
    await expect(ended).rejects.toThrow(/cannot write .*: no such file or directory/);
    expect(calls).toEqual(['stop']);
  });

  it('hands the configuration of file and --set to the node', async () => {
    const path = join(folder, 'broker.yaml');
    writeFileSync(path, 'mqtt:\n  maxQos: 1\n  maxInflight: 7\n');
    const { io, ended, config } = runStart({ config: path, set: ['mqtt.maxInflight=8'] });
    expect((await config).mqtt).toMatchObject({ maxQos: 1, maxInflight: 8 });
    io.signal('SIGTERM');
    await ended;
  });
});

describe('start that fails', () => {
  const failure = async (run: Run): Promise<CliError> => {
    const error = await run.ended.catch((caught: unknown) => caught);
    if (!(error instanceof CliError)) throw new Error(`expected a CliError, got ${String(error)}`);
    return error;
  };

  it('names the listener of a port that is in use, and how to choose another', async () => {
    const inUse = Object.assign(new Error('listen EADDRINUSE'), {
      code: 'EADDRINUSE',
      syscall: 'listen',
      port: 8083,
    });
    const error = await failure(runStart({ startFails: inUse }));
    expect(error.exitCode).toBe(1);
    expect(error.message).toBe(
      'cannot listen on port 8083 (listeners.ws): the port is in use. Choose another with --set listeners.ws.port=PORT',
    );
  });

  it('says in one sentence what a wrong configuration is', async () => {
    const error = await failure(runStart({ set: ['mqtt.maxQoss=1'] }));
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe(
      'the configuration is wrong: --set mqtt.maxQoss: unknown key, did you mean maxQos?',
    );
  });

  it('says which file it cannot read', async () => {
    const error = await failure(runStart({ config: join(folder, 'none.yaml') }));
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(/cannot read .*none\.yaml: no such file or directory/);
  });

  it('says which process has the data directory', async () => {
    const { io, ended, config } = runStart();
    await config;
    const error = await failure(runStart());
    expect(error.exitCode).toBe(1);
    expect(error.message).toContain(`in use by process ${process.pid}`);
    io.signal('SIGTERM');
    await ended;
  });

  it('says when the data directory cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    const error = await failure(runStart({ dataDir: join(folder, 'file', 'data') }));
    expect(error.exitCode).toBe(1);
    expect(error.message).toMatch(/cannot use the data directory .*: not a directory/);
  });
});

describe('banner', () => {
  it('says where it listens, where the data are and how to publish', () => {
    const text = banner('1.2.3', defaultConfig(), listeners);
    for (const part of [
      'RobustMQ 1.2.3',
      'mqtt://localhost:41883',
      'ws://localhost:48083/mqtt',
      'http://localhost:48083/',
      'mqtt+unix:///tmp/robustmq.sock',
      'robustmq-data',
      "robustmq pub demo/hello 'Hello, world' --url mqtt://localhost:41883",
    ]) {
      expect(text).toContain(part);
    }
  });

  it('needs no address in its example on the usual port', () => {
    const usual: RunningListener[] = [{ name: 'mqtt', address: { host: '0.0.0.0', port: 1883 } }];
    expect(banner('1', defaultConfig(), usual)).not.toContain('--url');
  });
});
