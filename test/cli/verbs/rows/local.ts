/** Verbs about files of this machine: configurations, contexts, backups, definitions and data directories at rest. */
import { existsSync, writeFileSync } from 'node:fs';
import { run } from '../../../../src/cli/program.ts';
import { testIo } from '../../support.ts';
import type { Place } from '../place.ts';
import type { VerbRow } from '../verb-row.ts';

const local = (words: string, prints: VerbRow['prints'], args?: VerbRow['args']): VerbRow => ({
  words,
  prints,
  reaches: 'nothing',
  ...(args === undefined ? {} : { args }),
});
const data = (words: string, prints: VerbRow['prints'], args: NonNullable<VerbRow['args']>): VerbRow => ({
  words,
  prints,
  args,
  reaches: 'administration',
  viewerMay: false,
});

async function runs(...args: readonly string[]): Promise<void> {
  const io = testIo();
  if ((await run(args, io)) !== 0) throw new Error(io.errText());
}

/** One is enough: nothing changes it. */
async function backedUp({ inFolder, node }: Place): Promise<string> {
  const folder = inFolder('backup');
  if (!existsSync(folder)) await runs('backup', folder, '--data-dir', node.folder);
  return folder;
}

async function atRest(place: Place): Promise<string[]> {
  const folder = place.inFolder('at-rest');
  const backup = await backedUp(place);
  if (!existsSync(folder)) await runs('restore', backup, '--data-dir', folder, '--no-verify');
  return ['--data-dir', folder];
}

async function file(place: Place, ...words: readonly string[]): Promise<string> {
  const path = place.inFolder('definitions.json');
  if (!existsSync(path)) await runs('export', path, '--data-dir', place.node.folder);
  return [path, ...words][0] ?? path;
}

async function context({ node, folder }: Place, n: number): Promise<string> {
  const io = { ...testIo(), environment: { XDG_CONFIG_HOME: folder } };
  const code = await run(['context', 'add', `there-${n}`, '--data-dir', node.folder, '--use'], io);
  if (code !== 0) throw new Error(io.errText());
  return `there-${n}`;
}

export const LOCAL: readonly VerbRow[] = [
  local('version', 'document'),
  local('completion', 'text', () => ['bash']),
  local('init', 'nothing', ({ inFolder }, n) => ['--file', inFolder(`init-${n}.yaml`)]),
  local('doctor', 'document', ({ inFolder }) => [
    ...['--data-dir', inFolder('fresh')],
    ...['--set', 'listeners.mqtt.port=0', '--set', 'listeners.ws.port=0'],
    ...['--set', 'listeners.kafka.enabled=false', '--set', 'listeners.http.enabled=false'],
  ]),
  local('config print', 'document'),
  local('config validate', 'nothing'),
  local('config init', 'text'),
  local('config docs', 'text'),
  local('config schema', 'text'),
  local('config diff', 'document', ({ inFolder }) => {
    writeFileSync(inFolder('same.yaml'), 'mqtt:\n  maxQos: 2\n');
    return [inFolder('same.yaml')];
  }),
  local('context add', 'nothing', ({ node }, n) => [`here-${n}`, '--data-dir', node.folder]),
  local('context use', 'nothing', async (place, n) => [await context(place, n)]),
  { ...local('context list', 'document'), isTable: true },
  local('context show', 'document', async (place, n) => [await context(place, n)]),
  local('context delete', 'nothing', async (place, n) => [await context(place, n)]),
  local('verify', 'document', atRest),
  local('repair', 'document', async (place) => ['--dry-run', ...(await atRest(place))]),
  local('restore', 'document', async (place, n) => [
    await backedUp(place),
    ...['--data-dir', place.inFolder(`restored-${n}`)],
  ]),
  {
    words: 'backup',
    prints: 'document',
    args: ({ inFolder }, n) => [inFolder(`backup-${n}`)],
    reaches: 'administration',
  },
  data('export', 'document', () => []),
  data('import', 'document', async (place) => [await file(place), '--on-conflict', 'skip']),
  data('export data', 'lines', () => ['--topic', 'orders']),
  {
    ...data('import data', 'document', () => ['-', '--topic', 'orders']),
    input: '{"kind":"record","topic":"orders","partition":1,"payload":"three"}\n',
  },
  { ...local('start', 'nothing'), testedBy: 'start-stop.test.ts' },
  { ...local('stop', 'nothing'), testedBy: 'start-stop.test.ts' },
];
