/**
 * Writes docs/conformance-kafka.md from the table by which requests are dispatched: each API, its versions, and the test files
 * that use it by its name. With --check nothing is written: the exit code is 1 when the page is stale, or when an API that is
 * served has no test.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { finishPage } from './generated-page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/conformance-kafka.md');
const { servedApis } = await tsImport('../src/protocols/kafka/dispatch.ts', import.meta.url);
const { Apis } = await tsImport('../src/protocols/kafka/messages/apis.ts', import.meta.url);

const served = new Set(servedApis.map(({ key }) => key));

function testFiles(directory) {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split('\\').join('/'))
    .sort();
}

const texts = ['test/protocols/kafka', 'test/e2e/kafka']
  .flatMap((directory) => testFiles(join(root, directory)))
  // What is tested there is the form of all messages.
  .filter((path) => !/\/kafka\/(?:messages|schema|records|compression)\//.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const testsOf = (name) =>
  texts
    .filter(({ text }) => new RegExp(`\\bApis\\.${name}\\b|Handlers\\.${name}\\b|['"]${name}['"]`).test(text))
    .map(({ path }) => `[${path.split('/').slice(-2).join('/')}](../${path})`);

const missing = [];
const rows = Object.entries(Apis)
  .sort(([, a], [, b]) => a.key - b.key)
  .map(([name, api]) => {
    const { key, versions } = api;
    if (!served.has(key)) return `| ${key} | ${api.name} | – | |`;
    const tests = testsOf(name);
    if (tests.length === 0) missing.push(api.name);
    return `| ${key} | ${api.name} | ${versions.first}–${versions.last} | ${tests.join('<br>')} |`;
  });

const text = [
  '# Conformance: Kafka',
  '',
  'Written by `node scripts/conformance-kafka.mjs` from the table by which requests are dispatched, which is also what ApiVersions',
  'answers. Versions are those of Kafka 3.9 (oldest) to 4.2 (newest). Produce 0 to 2 are answered with UNSUPPORTED_VERSION, as Kafka',
  'does. Beside these tests, kafkajs is run against a whole node in `test/e2e/kafka`, and every message in every version is read and',
  'written in `test/protocols/kafka/messages`.',
  '',
  `${served.size} APIs are served.`,
  '',
  '| key | API | versions | tests that name it |',
  '|--:|---|---|---|',
  ...rows,
  '',
].join('\n');

const problems = missing.map((api) => `served, and no test names it: ${api}`);
finishPage(page, text, problems, 'node scripts/conformance-kafka.mjs');
