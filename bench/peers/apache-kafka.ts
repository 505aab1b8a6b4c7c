/**
 * Apache Kafka as one node of KRaft, from a folder of its jars, with the heap and the collector that its own start script gives it, and
 * its defaults otherwise. Nothing is downloaded: where the folder comes from is the caller's business.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort, hasCommand, startProcess, waitFor } from './peer.ts';

const JVM = ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20'];
const MORE_JVM = ['-XX:InitiatingHeapOccupancyPercent=35', '-XX:+ExplicitGCInvokesConcurrent'];
const CLUSTER = 'AAAAAAAAAAAAAAAAAAAAAA';

export interface KafkaBroker {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** Why it cannot run here. */
export function whyNoApacheKafka(jars: string): string | undefined {
  if (!hasCommand('java')) return 'there is no java';
  if (!existsSync(jars)) return `there is no folder ${jars}`;
  return readdirSync(jars).some((name) => /^kafka_\d.*\.jar$/.test(name))
    ? undefined
    : `${jars} has no kafka_*.jar`;
}

function properties(port: number, controllerPort: number, data: string): string {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    `log.dirs=${data}`,
    'offsets.topic.replication.factor=1',
    '',
  ].join('\n');
}

export async function startApacheKafka(jars: string): Promise<KafkaBroker> {
  const directory = mkdtempSync(join(tmpdir(), 'kafka-bench-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const [port, controllerPort] = [await freePort(), await freePort()];
  const file = join(directory, 'server.properties');
  writeFileSync(file, properties(port, controllerPort, join(directory, 'data')));
  const java = (main: string, ...args: string[]): string[] => [
    'java',
    ...JVM,
    ...MORE_JVM,
    '-Dlog4j2.level=ERROR',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    join(jars, '*'),
    main,
    ...args,
  ];
  const [command = '', ...format] = java('kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', file);
  const formatted = spawnSync(command, format, { encoding: 'utf8' });
  if (formatted.status !== 0) {
    remove();
    throw new Error(`Apache Kafka did not format its folder: ${formatted.stderr.slice(-400)}`);
  }
  const broker = startProcess(undefined, java('kafka.Kafka', file));
  try {
    await waitFor(broker, () => accepts(port));
  } catch (error) {
    remove();
    throw error;
  }
  return {
    pid: broker.pid,
    port,
    async stop() {
      await broker.stop('SIGKILL');
      remove();
    },
  };
}
