import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { type RunningNode, startNode } from '../../src/node.ts';
import { Secret } from '../../src/security/secret.ts';
import { createManualClock } from '../support/manual-clock.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'robustmq-'));
let running: RunningNode | undefined;
afterEach(async () => {
  await running?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(...sets: string[]): Promise<RunningNode> {
  const ports = ['listeners.mqtt.port=0', 'listeners.ws.enabled=false', 'listeners.http.enabled=false'];
  const all = [`dataDir=${dataDir}`, 'listeners.kafka.enabled=false', ...ports, ...sets];
  const loaded = await loadConfig({ sets: all });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  running = await startNode(loaded.config, { logger: pino({ level: 'silent' }), clock: createManualClock() });
  return running;
}

it('does not start without what lets in, leaves its directory to the next start, and keeps its users', async () => {
  const node = await start('security.passwords.scryptLogCost=10');
  const made = await node.security.users.create({ name: 'alice', password: new Secret('wonderland') });
  expect(made).toEqual({ isDone: true });
  const decoy = await node.security.users.scramCredential('SCRAM-SHA-256', 'eve');
  await node.stop();

  const file = 'security.authentication.authenticators=file';
  const missing = start(file, `security.authentication.file.path=${join(dataDir, 'missing')}`);
  await expect(missing).rejects.toThrow('password file');

  const again = await start();
  expect(again.security.users.get('alice')).toMatchObject({ hasPassword: true });
  expect(await again.security.users.checkPassword('alice', Buffer.from('wonderland'))).toBe('right');
  expect(await again.security.users.scramCredential('SCRAM-SHA-256', 'eve')).toEqual(decoy);
});
