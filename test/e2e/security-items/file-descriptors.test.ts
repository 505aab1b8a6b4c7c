/** Item 27 of the security checklist: a process that may open no more files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { RawClient } from '../../support/raw-client.ts';
import * as wire from '../../support/wire.ts';
import { compile, entry, type Program, readyFile, run } from '../process.ts';

const MAX_FILES = 80;

let program: Program | undefined;
const folder = mkdtempSync(join(tmpdir(), 'robustmq-files-'));
afterEach(async () => {
  program?.child.kill('SIGKILL');
  await program?.finished;
  rmSync(folder, { recursive: true, force: true });
});

test('without file descriptors clients that are there are served, and others as soon as there are some (item 27)', async () => {
  compile();
  const sets = ['listeners.mqtt.port=0', 'storage.views=memory', 'logging.level=error'];
  for (const name of ['ws', 'kafka', 'http']) sets.push(`listeners.${name}.enabled=false`);
  const ready = join(folder, 'ready.json');
  const command = [
    process.execPath,
    entry,
    'start',
    '--data-dir',
    join(folder, 'data'),
    '--ready-file',
    ready,
  ];
  const script = `ulimit -n ${MAX_FILES} && exec "$@"`;
  program = run('sh', ['-c', script, 'sh', ...command, ...sets.flatMap((set) => ['--set', set])]);
  const { host = '', port = 0 } = (await readyFile(ready, program)).listeners.mqtt ?? {};
  const connect = async (clientId: string): Promise<RawClient> => {
    const client = await RawClient.open({ host, port });
    client.send(wire.connect({ clientId, clean: false, properties: [[wire.P.sessionExpiry, 100]] }));
    expect((await client.expect('connack')).reason).toBe(0);
    return client;
  };

  const honest = await connect('honest');
  await honest.subscribe([{ filter: 'a', qos: 1 }]);
  const crowd = await Promise.all(
    Array.from({ length: MAX_FILES * 2 }, () => RawClient.open({ host, port }).catch(() => undefined)),
  );
  // What the process has no descriptor for is closed, or stays in the kernel's queue.
  for (let i = 0; i < 20; i++) {
    honest.send(wire.publish({ topic: 'a', payload: `${i}`, qos: 1, packetId: i + 1 }));
    const { payload, packetId } = await honest.waitFor('publish');
    expect(payload.toString()).toBe(`${i}`);
    honest.send(wire.ack('puback', packetId));
    expect((await honest.waitFor('puback')).reason).toBe(0);
  }
  for (const client of crowd) client?.socket.destroy();
  let later: RawClient | undefined;
  for (let tries = 0; later === undefined && tries < 50; tries++)
    later = await connect('later').catch(() => undefined);
  expect(later).toBeDefined();
  expect(program.child.exitCode).toBeNull();
  expect(program.out()).not.toContain('a defect of the broker');
  program.child.kill('SIGTERM');
  expect((await program.finished).code).toBe(0);
});
