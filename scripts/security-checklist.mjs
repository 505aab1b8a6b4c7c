/**
 * Writes docs/security-checklist.md: the 52 items of the security checklist, what holds for each, and the test files that
 * have its number in the name of a test: `(item 7)`, `(items 7, 8)`, `item 7: …`. With --check nothing is written: the exit
 * code is 1 when the page is stale, when an item whose surface exists has no test, or when a test names an item that does not exist.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { finishPage } from './generated-page.mjs';
import { ITEMS } from './security-items.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/security-checklist.md');

/** In a string literal; comments that speak of items are no tests. */
const NAMED = /(['"`])(?:(?!\1)[^\\\n]|\\.)*?\b(?:items?|ops) (\d+(?:, \d+)*)(?:(?!\1)[^\\\n]|\\.)*\1/g;
const COMMENT = /^\s*(?:\/?\*|\/\/)/;

const testFiles = readdirSync(join(root, 'test'), { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).split('\\').join('/'))
  .sort();

/** Number of the item -> the files. */
const found = new Map();
for (const file of testFiles) {
  for (const line of readFileSync(join(root, file), 'utf8').split('\n')) {
    if (COMMENT.test(line)) continue;
    for (const [, , numbers] of line.matchAll(NAMED)) {
      for (const number of numbers.split(', ').map(Number)) {
        const files = found.get(number) ?? new Set();
        found.set(number, files.add(file));
      }
    }
  }
}

const problems = [];
const known = new Set(ITEMS.map(({ number }) => number));
for (const [number, files] of found) {
  if (!known.has(number)) problems.push(`${[...files].join(', ')}: there is no item ${number}`);
}

const nameOf = (file) => file.slice('test/'.length).replace(/\.test\.ts$/, '');
const cell = (text) => text.replaceAll('|', '\\|');

function row({ number, what, holds, differs, isAbsent }) {
  const files = [...(found.get(number) ?? [])];
  if (isAbsent) {
    if (files.length > 0)
      problems.push(`item ${number} has tests and is said to be about what does not exist`);
    return `| ${number} | ${cell(what)} | ${cell(holds)} | – |`;
  }
  if (files.length === 0) problems.push(`item ${number} has no test: ${what}`);
  const said = differs === undefined ? holds : `${holds} *By design:* ${differs}`;
  const links = files.map((file) => `[${nameOf(file)}](../${file})`);
  return `| ${number} | ${cell(what)} | ${cell(said)} | ${links.join('<br>')} |`;
}

const TITLES = [
  [1, 17, 'Framing and parsers'],
  [18, 28, 'Exhaustion'],
  [29, 35, 'Authentication'],
  [36, 41, 'Authorization'],
  [42, 50, 'Administration'],
  [51, 52, 'Crashes and the package'],
];

const text = [
  '# The security checklist',
  '',
  'Written by `node scripts/security-checklist.mjs`; a test fails when it is stale, or when an item has no test whose name has its',
  'number. What is tried in each item is what has brought down, opened or filled other brokers. What is said to hold is what the tests',
  'named beside it show; where this broker does something else on purpose, the reason stands there.',
  '',
  ...TITLES.flatMap(([first, last, title]) => [
    `## ${title}`,
    '',
    '| item | what is tried | what holds | tests |',
    '|---|---|---|---|',
    ...ITEMS.filter(({ number }) => number >= first && number <= last).map(row),
    '',
  ]),
].join('\n');

finishPage(page, text, problems, 'node scripts/security-checklist.mjs');
