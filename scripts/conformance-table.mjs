/**
 * Writes docs/conformance-mqtt.md: every numbered normative statement of MQTT 5.0 and 3.1.1, whom it binds, and the
 * tests that carry its identifier in their name. With --check nothing is written: the exit code is 1 when the page
 * is stale, when a statement that binds a server has no test, or when a test names a statement that does not exist.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { finishPage } from './generated-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/conformance-mqtt.md');
const { mqtt5 } = await tsImport('../test/conformance/statements/mqtt5.ts', import.meta.url);
const { mqtt311 } = await tsImport('../test/conformance/statements/mqtt311.ts', import.meta.url);

/** A string literal that begins with one or more identifiers in brackets. */
const NAME = /(['"`])((?:\[(?:3\.1\.1 )?MQTT-[\d.]+-\d+\] ?)+)((?:(?!\1)[^\\\n])*)\1/g;
const LABEL = /\[((?:3\.1\.1 )?MQTT-[\d.]+-\d+)\]/g;

function testFiles(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return testFiles(path);
      return entry.name.endsWith('.test.ts') ? [path] : [];
    })
    .sort();
}

/** Identifier (with its `3.1.1 ` prefix) -> [{ file, title }]. */
function testsByStatement() {
  const found = new Map();
  for (const path of testFiles(join(root, 'test'))) {
    for (const [, , labels, title] of readFileSync(path, 'utf8').matchAll(NAME)) {
      for (const [, label] of labels.matchAll(LABEL)) {
        const tests = found.get(label) ?? [];
        tests.push({ file: relative(root, path).split('\\').join('/'), title: title.trim() });
        found.set(label, tests);
      }
    }
  }
  return found;
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('$', '\\$');
const bindsServer = (binds) => binds === 'server' || binds === 'both';

function table(title, prefix, statements, tests, missing) {
  const covered = statements.filter(([id]) => tests.has(prefix + id));
  const server = statements.filter(([, binds]) => bindsServer(binds));
  const lines = [
    `## ${title}`,
    '',
    `${statements.length} statements: ${server.length} bind a server, ` +
      `${server.filter(([id]) => tests.has(prefix + id)).length} of these have a test; ` +
      `${statements.length - server.length} bind only clients or bridges, ` +
      `${covered.length - server.filter(([id]) => tests.has(prefix + id)).length} of these are tested from the server's side.`,
    '',
    '| statement | binds | in our words | tests |',
    '|---|---|---|---|',
  ];
  for (const [id, binds, summary] of statements) {
    const own = tests.get(prefix + id) ?? [];
    if (own.length === 0 && bindsServer(binds)) missing.push(prefix + id);
    const list = own.map(
      ({ file, title: name }) => `${cell(name)} ([${file.split('/').at(-1)}](../${file}))`,
    );
    lines.push(`| ${id} | ${binds} | ${cell(summary)} | ${list.length > 0 ? list.join('<br>') : '–'} |`);
  }
  return lines.join('\n');
}

const tests = testsByStatement();
const missing = [];
const known = new Set([...mqtt5.map(([id]) => id), ...mqtt311.map(([id]) => `3.1.1 ${id}`)]);
const unknown = [...tests.keys()].filter((label) => !known.has(label));
const text = [
  '# Conformance: MQTT 5.0 and 3.1.1',
  '',
  'Written by `node scripts/conformance-table.mjs`; a test fails when it is stale. The identifiers are those of the',
  'OASIS standards (appendix B of each); the descriptions are ours and only remind of what the statement says. A test',
  'that is named for statements of both versions runs once for each. All of them also run with the flow cache off',
  '(`ROBUSTMQ_TEST_FLOW_CACHE=off`), those on sessions, acknowledgements, retained messages, wills and subscriptions also',
  'with a journal of files (`ROBUSTMQ_TEST_STORAGE=files`).',
  '',
  table('MQTT 5.0', '', mqtt5, tests, missing),
  '',
  table('MQTT 3.1.1', '3.1.1 ', mqtt311, tests, missing),
  '',
].join('\n');

const problems = [
  ...missing.map((id) => `no test for ${id}, which binds a server`),
  ...unknown.map((id) => `a test names ${id}, which does not exist`),
];
finishPage(page, text, problems, 'node scripts/conformance-table.mjs');
