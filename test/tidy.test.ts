/**
 * The rules of the house, as far as a look at the text can keep them: size of files, which folder imports which, no
 * cycles, where the documentation of a folder is, nothing left lying about. What the compiler and the linter see is theirs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const THIS_FILE = 'test/tidy.test.ts';
const TEXT = new Set(['.ts', '.mjs', '.js', '.css', '.html']);

/** Paths from the root, with `/`. */
function filesOf(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && TEXT.has(extname(entry.name)))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')),
  );
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = filesOf('src');
const everything = filesOf('src', 'assembly', 'scripts', 'bench', 'examples', 'test').filter(
  (path) => path !== THIS_FILE,
);

/** Without comments, and with empty string and template literals. */
function code(path: string): string {
  return read(path).replace(
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/.*/g,
    (token) => (token.startsWith('/') ? '' : "''"),
  );
}

interface Import {
  readonly to: string;
  /** `type` is erased by the compiler, `late` done when it is wanted: not part of how modules load. */
  readonly kind: 'value' | 'type' | 'late';
}

const IMPORT = /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm;

function importsOf(path: string): Import[] {
  return [...read(path).matchAll(IMPORT)].map(([, type, fixed, dynamic]) => {
    const to = normalize(join(dirname(path), fixed ?? dynamic ?? ''))
      .split(sep)
      .join('/');
    const kind = fixed === undefined ? 'late' : type !== undefined ? 'type' : 'value';
    return { to: extname(to) === '' ? `${to}.ts` : to, kind };
  });
}

/** Whose the file is: `src/protocols/mqtt` or `src/net`; files of `src` itself are their own. */
function owner(path: string): string {
  const parts = path.split('/');
  if (parts.length === 2) return path;
  return parts.slice(0, parts[1] === 'protocols' ? 3 : 2).join('/');
}

/** What a front-end may know of the rest. */
const FRONT_END = [
  'src/config',
  'src/events',
  'src/kernel',
  'src/wasm',
  'src/net/transport.ts',
  'src/security',
  'src/metrics/histogram.ts',
  'src/telemetry/trace-hub.ts',
  'src/telemetry/tracing.ts',
  'src/telemetry/traceparent.ts',
];

/** Folders and files that each part of src may import, besides itself. A new folder states its place here. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/config': [],
  'src/wasm': [],
  'src/browser': [],
  'src/kernel': ['src/config', 'src/wasm', 'src/storage', 'src/scheduling'],
  'src/storage': [
    'src/config',
    'src/wasm',
    'src/kernel/clock.ts',
    'src/kernel/message.ts',
    'src/kernel/with-accessors.ts',
  ],
  'src/scheduling': ['src/config', 'src/storage', 'src/kernel/clock.ts'],
  'src/net': ['src/config', 'src/kernel/clock.ts'],
  'src/protocols/mqtt': FRONT_END,
  'src/protocols/kafka': [...FRONT_END, 'src/storage/records'],
  'src/security': ['src/config', 'src/kernel', 'src/net/transport.ts'],
  'src/filters': ['src/kernel/clock.ts', 'src/wasm/copy-bytes.ts'],
  'src/load': [],
  'src/metrics': [],
  'src/telemetry': [
    'src/config',
    'src/kernel/clock.ts',
    'src/kernel/topic-filter.ts',
    'src/metrics',
    'src/security/outbound',
  ],
  'src/events': ['src/kernel/clock.ts'],
  'src/alarms': ['src/kernel/clock.ts'],
  'src/schema-registry': ['src/config', 'src/kernel', 'src/storage/records'],
  'src/logging.ts': ['src/config'],
  'src/package-version.ts': [],
  'src/node-view': [
    'src/alarms',
    'src/admin',
    'src/config',
    'src/definitions',
    'src/durable-tier.ts',
    'src/events',
    'src/kernel',
    'src/metrics',
    'src/protocols',
    'src/schema-registry',
    'src/security',
    'src/storage/records',
    'src/telemetry',
  ],
  'src/definitions': [
    'src/admin/schema.ts',
    'src/config',
    'src/kernel',
    'src/protocols/kafka',
    'src/schema-registry',
    'src/security',
  ],
  'src/durable-tables.ts': ['src/config', 'src/kernel', 'src/protocols', 'src/wasm'],
  'src/durable-tier.ts': [
    'src/config',
    'src/kernel',
    'src/memory-tier.ts',
    'src/metrics/histogram.ts',
    'src/storage',
  ],
  'src/memory-tier.ts': ['src/config', 'src/kernel', 'src/storage'],
  'src/object-tier.ts': [
    'src/config',
    'src/durable-tables.ts',
    'src/durable-tier.ts',
    'src/kernel',
    'src/protocols',
    'src/scheduling',
  ],
  'src/admin': [
    'src/alarms',
    'src/config',
    'src/events',
    'src/kernel/clock.ts',
    'src/metrics',
    'src/net/proxy-protocol.ts',
    'src/security',
  ],
  'src/administration.ts': [
    'src/admin',
    'src/config',
    'src/events',
    'src/kernel/clock.ts',
    'src/metrics',
    'src/net',
    'src/node-view',
    'src/security',
    'src/telemetry',
  ],
  'src/schema-registry-tier.ts': [
    'src/admin',
    'src/config',
    'src/durable-tables.ts',
    'src/kernel',
    'src/schema-registry',
    'src/storage/records',
  ],
  'src/reload.ts': ['src/config', 'src/security'],
  'src/node-listeners.ts': [
    'src/browser',
    'src/config',
    'src/kernel/clock.ts',
    'src/net',
    'src/protocols',
    'src/wasm',
  ],
  'src/node.ts': [
    'src/node-listeners.ts',
    'src/reload.ts',
    'src/administration.ts',
    'src/schema-registry-tier.ts',
    'src/durable-tables.ts',
    'src/durable-tier.ts',
    'src/events',
    'src/object-tier.ts',
    'src/node-view',
    'src/package-version.ts',
    'src/config',
    'src/wasm',
    'src/browser',
    'src/kernel',
    'src/net',
    'src/protocols',
    'src/scheduling',
    'src/security',
    'src/storage',
    'src/telemetry',
  ],
  'src/cli': [
    'src/admin',
    'src/config',
    'src/durable-tables.ts',
    'src/events',
    'src/kernel',
    'src/load',
    'src/logging.ts',
    'src/node.ts',
    'src/package-version.ts',
    'src/protocols',
    'src/security/audit',
    'src/storage',
  ],
};

/** The module of each folder that says what lives there. */
const MAIN_MODULES: Readonly<Record<string, string>> = {
  src: 'node.ts',
  'src/browser': 'client.ts',
  'src/browser/page': 'page.ts',
  'src/cli': 'program.ts',
  'src/config': 'config.ts',
  'src/definitions': 'definitions.ts',
  'src/kernel': 'router.ts',
  'src/kernel/bindings': 'bindings.ts',
  'src/kernel/filter': 'selector.ts',
  'src/kernel/log-queue': 'queue.ts',
  'src/kernel/transaction': 'transactions.ts',
  'src/kernel/durable-timers': 'timers.ts',
  'src/kernel/state': 'table.ts',
  'src/kernel/message-store': 'message-store.ts',
  'src/kernel/reference-queue': 'reference-queue.ts',
  'src/kernel/crossing': 'crossing.ts',
  'src/kernel/log': 'partitions.ts',
  'src/kernel/streams': 'streams.ts',
  'src/kernel/delayed': 'delayed.ts',
  'src/filters': 'filter.ts',
  'src/load': 'load.ts',
  'src/metrics': 'metrics.ts',
  'src/telemetry': 'telemetry.ts',
  'src/events': 'events.ts',
  'src/alarms': 'alarms.ts',
  'src/net': 'transport.ts',
  'src/protocols/mqtt': 'front-end.ts',
  'src/protocols/mqtt/security': 'security.ts',
  'src/protocols/mqtt/codec': 'packets.ts',
  'src/protocols/mqtt/durable': 'durable.ts',
  'src/protocols/kafka': 'front-end.ts',
  'src/protocols/kafka/fetch': 'fetch.ts',
  'src/protocols/kafka/offsets': 'offsets.ts',
  'src/protocols/kafka/produce': 'produce.ts',
  'src/protocols/kafka/delay': 'delay.ts',
  'src/protocols/kafka/topics': 'topics.ts',
  'src/protocols/kafka/compression': 'compression.ts',
  'src/protocols/kafka/producers': 'producers.ts',
  'src/protocols/kafka/records': 'header.ts',
  'src/protocols/kafka/schema': 'message.ts',
  'src/protocols/kafka/security': 'authorizer.ts',
  'src/protocols/kafka/admin': 'admin.ts',
  'src/protocols/kafka/messages': 'apis.ts',
  'src/protocols/kafka/groups': 'groups.ts',
  'src/protocols/kafka/share': 'share.ts',
  'src/scheduling': 'meta-store.ts',
  'src/schema-registry': 'registry.ts',
  'src/schema-registry/avro': 'avro.ts',
  'src/schema-registry/json-schema': 'json-schema.ts',
  'src/schema-registry/protobuf': 'protobuf.ts',
  'src/security': 'security.ts',
  'src/security/access': 'access.ts',
  'src/security/authentication': 'authentication.ts',
  'src/security/outbound': 'request.ts',
  'src/security/passwords': 'passwords.ts',
  'src/security/scram': 'scram.ts',
  'src/security/tokens': 'jwt.ts',
  'src/security/users': 'users.ts',
  'src/security/audit': 'audit.ts',
  'src/security/authorization': 'authorization.ts',
  'src/security/guard': 'guard.ts',
  'src/security/tenants': 'tenants.ts',
  'src/admin': 'operations.ts',
  'src/admin/operations': 'status.ts',
  'src/node-view': 'node-view.ts',
  'src/storage/backup': 'backup.ts',
  'src/storage/cleaner': 'cleaner.ts',
  'src/storage/data-directory': 'data-directory.ts',
  'src/storage/disk': 'disk.ts',
  'src/storage/journal': 'journal.ts',
  'src/storage/kv': 'kv-store.ts',
  'src/storage/records': 'record.ts',
  'src/storage/segments': 'segment-store.ts',
  'src/storage/tier': 'tiered-wal.ts',
  'src/storage/wal': 'wal-store.ts',
  'src/wasm': 'data-plane.ts',
  'assembly/filter-sdk': 'index.ts',
  'assembly/frames': 'index.ts',
  'assembly/lib': 'heap.ts',
  'assembly/log': 'index.ts',
  'assembly/mqtt': 'index.ts',
  'assembly/topics': 'index.ts',
};

/** Whose types have those of all others in them: what these import as a type is passed over. */
const KNOW_ALL = new Set([
  'src/protocols/mqtt/context.ts',
  'src/protocols/kafka/context.ts',
  'src/admin/node-view.ts',
  // It and its session know each other.
  'src/protocols/mqtt/connection.ts',
]);

const counts = (path: string, kind: Import['kind']): boolean =>
  kind === 'value' || (kind === 'type' && !KNOW_ALL.has(path));

/** The shortest way back to a module, for every module that has one. */
function cycles(files: readonly string[]): string[] {
  const graph = new Map(
    files.map((path) => [path, importsOf(path).filter(({ kind }) => counts(path, kind))] as const),
  );
  return files.flatMap((start) => {
    const ways = new Map<string, string>([[start, start]]);
    for (const [at, way] of ways) {
      for (const { to } of graph.get(at) ?? []) {
        if (to === start) return [`${way} -> ${start}`];
        if (!ways.has(to)) ways.set(to, `${way} -> ${to}`);
      }
    }
    return [];
  });
}

describe('the rules of the house', () => {
  it('keeps files short: 400 lines, 500 in tests', () => {
    const long = everything
      .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
      .filter(({ path, lines }) => lines > (path.startsWith('test/') ? 500 : 400));
    expect(long).toEqual([]);
  });

  it('has no `any` and silences no compiler error in src', () => {
    const any = sources.filter((path) => /(?:[:<|&,]|\bas|=>|\bextends)\s*any\b|\bany\[\]/.test(code(path)));
    expect(any).toEqual([]);
    expect(sources.filter((path) => /@ts-(?:ignore|nocheck|expect-error)/.test(read(path)))).toEqual([]);
  });

  it('imports downwards only, and no protocol imports another', () => {
    const wrong = sources.flatMap((path) => {
      const allowed = MAY_IMPORT[owner(path)];
      if (allowed === undefined) return [`${owner(path)} has no place in MAY_IMPORT`];
      return importsOf(path)
        .filter(({ to }) => owner(to) !== owner(path))
        .filter(({ to }) => !allowed.some((each) => to === each || to.startsWith(`${each}/`)))
        .map(({ to }) => `${path} -> ${to}`);
    });
    expect([...new Set(wrong)]).toEqual([]);
  });

  it('imports what exists', () => {
    const files = new Set([...sources, ...filesOf('assembly')]);
    const missing = [...files].flatMap((path) =>
      importsOf(path)
        .filter(({ to }) => !files.has(to))
        .map(({ to }) => `${path} -> ${to}`),
    );
    expect(missing).toEqual([]);
  });

  it('has no import cycles, of types neither', () => {
    expect(cycles(sources)).toEqual([]);
    expect(cycles(filesOf('assembly'))).toEqual([]);
  });

  it('makes WebAssembly memories and instances in src/wasm, and in one module each for pages and for users', () => {
    const makers = sources
      .filter((path) => !path.startsWith('src/wasm/'))
      .filter((path) => /\bWebAssembly\.(?:Memory|Module|Instance|instantiate|compile)/.test(code(path)));
    expect(makers).toEqual(['src/browser/wasm-scanner.ts', 'src/filters/sandbox.ts']);
  });

  it('says at the top of the main module of each folder what lives there', () => {
    const folders = new Set([...sources, ...filesOf('assembly')].map((path) => dirname(path)));
    const silent = [...folders].filter((folder) => {
      const main = MAIN_MODULES[folder];
      return main === undefined || !/^(?:\/\*\*|\/\/ )/.test(read(`${folder}/${main}`));
    });
    expect(silent).toEqual([]);
  });

  it('leaves nothing lying about', () => {
    const left = everything.filter((path) =>
      /\b(?:TODO|FIXME|XXX|HACK)\b|\.only\(|\bdebugger;/.test(read(path)),
    );
    expect(left).toEqual([]);
  });
});
