/** What the pages show as configuration is configuration: each example, pasted as it stands, is accepted. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatProblem, loadConfig } from '../../src/config/load.ts';

const root = new URL('../../', import.meta.url);
const pages = [
  'README.md',
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const examples = pages.flatMap((page) => {
  const text = readFileSync(new URL(page, root), 'utf8');
  return [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((found) => ({
    name: `${page}:${text.slice(0, found.index).split('\n').length}`,
    text: found[1] ?? '',
  }));
});
const ofBroker = examples.filter(({ text }) => !text.startsWith('scrape_configs:'));

describe('examples of configuration in the documentation', () => {
  it('are there', () => {
    expect(ofBroker.length).toBeGreaterThan(10);
  });

  it.each(ofBroker)('are accepted as they stand: $name', async ({ name, text }) => {
    const loaded = await loadConfig({ file: { name, text } });
    expect(loaded.ok ? [] : loaded.problems.map(formatProblem)).toEqual([]);
  });
});
