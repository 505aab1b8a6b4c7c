/**
 * The comparison: each scenario against each peer in turn, fresh process by fresh process, repeats interleaved so
 * that a change of the machine's mood meets all peers alike. Broker on one core, generator on another. A peer that
 * crashes or stalls is reported and the run goes on. Prints one table (Markdown) and writes all samples as JSON.
 *
 *   npm run bench -- --only qos1 --peers robustmq,mosquitto --secs 5 --repeats 3
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadOptions } from './load/options.ts';
import { measure, type Sample } from './measure.ts';
import { allPeers, OURS, REFERENCE } from './peers/index.ts';
import { hasCommand, type Peer } from './peers/peer.ts';
import { markdownTable, plainOutcome, type ScenarioOutcome } from './report.ts';
import { type Scenario, scenarios } from './scenarios.ts';

const BROKER_CORE = 0;
const GENERATOR_CORE = 1;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    quick: { type: 'boolean', default: false },
    secs: { type: 'string' },
    repeats: { type: 'string' },
    idle: { type: 'string' },
    retained: { type: 'string' },
    mqload: { type: 'string' },
    json: { type: 'string', default: '.bench/result.json' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const usage = `npm run bench -- [options]
  --only A,B      scenarios whose name contains one of these
  --peers A,B     of robustmq, mosquitto, aedes
  --quick         one repeat of one second each: is it working, not how fast is it
  --secs N        seconds per run (5)
  --repeats N     runs per scenario and peer (3)
  --idle N        connections of the idle scenario (50000)
  --retained N    messages of the retained scenario (1000000)
  --mqload PATH   another generator with mqload's arguments, as a program or a C file to compile
  --json FILE     where all samples go (.bench/result.json)
  --list          names of the scenarios
`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function quit(line: string): never {
  say(line);
  process.exit(2);
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  return Number.isFinite(value) && value > 0 ? value : quit(`--${name}: not a number above 0`);
}

function chosen<T extends { name: string }>(
  list: readonly T[],
  names: string | undefined,
  what: string,
): T[] {
  const wanted = names?.toLowerCase().split(',');
  const found = list.filter((one) => wanted?.some((name) => one.name.toLowerCase().includes(name)) ?? true);
  if (found.length === 0) quit(`no ${what} is called ${names}: ${list.map((one) => one.name).join(', ')}`);
  return found;
}

/** Compiles a C file into a temporary directory; takes anything else as a program. */
function generatorProgram(path: string | undefined): string | undefined {
  if (path?.endsWith('.c') !== true) return path;
  const program = join(mkdtempSync(join(tmpdir(), 'bench-')), 'mqload');
  const { status, stderr } = spawnSync('cc', ['-O2', '-o', program, path, '-lm'], { encoding: 'utf8' });
  return status === 0 ? program : quit(`cannot compile ${path}: ${stderr ?? 'there is no cc'}`);
}

async function sampleOf(scenario: Scenario, load: Partial<LoadOptions>, peer: Peer): Promise<Sample> {
  try {
    const running = await peer.start({
      core: canPin ? BROKER_CORE : undefined,
      robustmqSettings: scenario.robustmqSettings ?? [],
    });
    try {
      return await measure(load, running, { core: canPin ? GENERATOR_CORE : undefined, mqload });
    } finally {
      await running.stop();
    }
  } catch (error) {
    return { metrics: {}, notes: [], failure: error instanceof Error ? error.message : String(error) };
  }
}

function loadOf(scenario: Scenario): Partial<LoadOptions> {
  const { load } = scenario;
  const count =
    load.mode === 'idle'
      ? positive('idle', values.idle, load.count ?? 0)
      : positive('retained', values.retained, load.count ?? 1);
  return {
    ...load,
    ...(load.mode === undefined ? {} : { count }),
    ...(values.secs === undefined && load.seconds !== undefined && !values.quick ? {} : { seconds }),
    warmSeconds: values.quick ? 0.5 : 1,
  };
}

if (values.help || values.list) {
  process.stdout.write(
    values.help ? usage : `${scenarios.map((one) => `${one.name}\t${one.title}`).join('\n')}\n`,
  );
  process.exit(0);
}

const seconds = positive('secs', values.secs, values.quick ? 1 : 5);
const repeats = positive('repeats', values.repeats, values.quick ? 1 : 3);
const mqload = generatorProgram(values.mqload);
const canPin = availableParallelism() > 1 && hasCommand('taskset');
const peers = chosen(allPeers(), values.peers, 'peer').filter((peer) => {
  if (peer.unavailable !== undefined) say(`${peer.name} is left out: ${peer.unavailable}`);
  return peer.unavailable === undefined;
});
if (peers.length === 0) quit('no peer can run');

const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`;
const versions = [`Node ${process.version}`, ...peers.map((peer) => `${peer.name} ${peer.version}`)].join(
  ', ',
);
const placing = canPin
  ? `broker on core ${BROKER_CORE}, generator on core ${GENERATOR_CORE}`
  : 'NOT PINNED: broker and generator share the cores as the system likes';
const method = `median of ${repeats} × ${seconds} s, ${placing}, generator: ${mqload === undefined ? 'bench/load' : 'mqload'}`;

const outcomes: ScenarioOutcome[] = [];
for (const scenario of chosen(scenarios, values.only, 'scenario')) {
  const samples = new Map<string, Sample[]>(peers.map((peer) => [peer.name, []]));
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const peer of peers) {
      const sample = await sampleOf(scenario, loadOf(scenario), peer);
      samples.get(peer.name)?.push(sample);
      const first = scenario.shows[0]?.[0];
      const figure = first === undefined ? undefined : sample.metrics[first];
      const told =
        sample.failure ?? `${figure?.toLocaleString('en-US', { maximumFractionDigits: 2 }) ?? '–'}`;
      say(`${scenario.name} ${repeat}/${repeats} ${peer.name}: ${told}`);
    }
  }
  outcomes.push({ scenario, samples });
}

process.stdout.write(`${machine}\n${versions}\n${method}\n\n${markdownTable(outcomes, OURS, REFERENCE)}`);
const result = {
  date: new Date().toISOString(),
  machine,
  versions,
  method,
  pinned: canPin,
  scenarios: outcomes.map((outcome) => plainOutcome(outcome, OURS, REFERENCE)),
};
mkdirSync(dirname(values.json), { recursive: true });
writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
say(`all samples: ${values.json}`);
// A peer that could not be ended must not keep the comparison waiting.
process.stdout.write('', () => process.exit());
