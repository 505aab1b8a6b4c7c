/**
 * Reading a configuration: a pure function from the texts of its sources to either a complete, checked `Config`
 * with the origin of every value, or all the problems found. Nothing here touches the disk or the process.
 *
 * Precedence, lowest first: default, file, environment, command line.
 */
import {
  type Assignment,
  type Collected,
  type ConfigProblem,
  type Normalized,
  nothingCollected,
  type Origin,
} from './assignments.ts';
import { checkConfig, warnings } from './checks.ts';
import type { Config } from './config.ts';
import { collectEnvironment, collectOverride, collectSets, type Override } from './overrides.ts';
import { schema } from './schema.ts';
import { type Section, type Static, writtenName } from './schema-kit.ts';
import type { ConfigFile } from './yaml-source.ts';

export interface ConfigInput {
  readonly file?: ConfigFile;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Arguments of --set, in order. */
  readonly sets?: readonly string[];
  /** Options of their own for a key, such as --data-dir; they win over --set. */
  readonly overrides?: readonly Override[];
}

export interface LoadedConfig {
  readonly ok: true;
  readonly config: Config;
  /** By the key users write; one entry for every value. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly warnings: readonly string[];
}

export interface RefusedConfig {
  readonly ok: false;
  readonly problems: readonly ConfigProblem[];
}

export async function loadConfig(input: ConfigInput): Promise<LoadedConfig | RefusedConfig> {
  const layers: Collected[] = [];
  if (input.file !== undefined) {
    // The YAML reader is a third of the time to start; most starts have no file.
    const { collectYaml } = await import('./yaml-source.ts');
    layers.push(collectYaml(schema, input.file));
  }
  if (input.environment !== undefined) layers.push(collectEnvironment(schema, input.environment));
  layers.push(collectSets(schema, input.sets ?? []));
  const own = nothingCollected();
  for (const override of input.overrides ?? []) collectOverride(schema, override, own);
  layers.push(own);

  const problems = layers.flatMap((layer) => layer.problems);
  if (problems.length > 0) return { ok: false, problems };

  const assigned = new Map<string, Assignment>();
  for (const assignment of layers.flatMap((layer) => layer.assignments))
    assigned.set(assignment.path, assignment);
  deriveEnabled(assigned);

  const origins = new Map<string, Origin>();
  const config = build(schema, assigned, origins);
  const contradictions = checkConfig(config, (path) => origins.get(path)?.place ?? '');
  if (contradictions.length > 0) return { ok: false, problems: contradictions };
  const given = [...assigned.values()]
    .filter(({ origin }) => origin.kind !== 'derived')
    .map(({ path }) => path);
  return {
    ok: true,
    config,
    origins,
    warnings: warnings(config, (prefix) =>
      given.some((path) => path === prefix || path.startsWith(`${prefix}.`)),
    ),
  };
}

/** The configuration with nothing set. */
export function defaultConfig(): Config {
  return build(schema, new Map(), new Map());
}

/** What needs a path to work listens as soon as it has one, unless `enabled` was said. */
function deriveEnabled(assigned: Map<string, Assignment>): void {
  for (const [listener, key] of [
    ['mqtts', 'tls.certFile'],
    ['wss', 'tls.certFile'],
    ['kafkas', 'tls.certFile'],
    ['https', 'tls.certFile'],
    ['unix', 'path'],
  ] as const) {
    const path = `listeners.${listener}.enabled`;
    const cause = assigned.get(`listeners.${listener}.${key}`);
    if (cause === undefined || cause.value === '' || assigned.has(path)) continue;
    assigned.set(path, { path, value: true, origin: { kind: 'derived', place: `${key} is set` } });
  }
}

const fromDefault: Origin = { kind: 'default', place: 'default' };

function build<S extends Section>(
  root: S,
  assigned: ReadonlyMap<string, Assignment>,
  origins: Map<string, Origin>,
): Static<S> {
  // The schema's static type is what this walk yields; schema.test.ts and the compiler hold it against `Config`.
  return buildSection(root, '', assigned, origins) as Static<S>;
}

function buildSection(
  node: Section,
  path: string,
  assigned: ReadonlyMap<string, Assignment>,
  origins: Map<string, Origin>,
): Normalized {
  const values: Record<string, Normalized> = {};
  for (const [name, child] of Object.entries(node.fields)) {
    const written = writtenName(name);
    const childPath = path === '' ? written : `${path}.${written}`;
    if (child.kind === 'section') {
      values[name] = buildSection(child, childPath, assigned, origins);
      continue;
    }
    const assignment = assigned.get(childPath);
    values[name] = assignment?.value ?? child.fallback;
    origins.set(childPath, assignment?.origin ?? fromDefault);
  }
  // A copy: the engine keeps an object whose many keys were set one by one as a dictionary, which is slow to read.
  return { ...values };
}

/** One problem as one line: place, key, what is wrong. */
export function formatProblem({ place, path, reason }: ConfigProblem): string {
  // `--set mqtt.maxQos` and the like name the key already.
  const key = path === '' || place.endsWith(` ${path}`) ? '' : `${path}: `;
  return `${place === '' || place === 'default' ? '' : `${place}: `}${key}${reason}`;
}
