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

it('what the refusal of an open listener says to paste lets users in, and lets them do something', async () => {
  const sets = ['listeners.mqtt.host=0.0.0.0'];
  const refused = await loadConfig({ sets });
  const words = refused.ok ? '' : refused.problems.map(formatProblem).join('\n');
  const pasted = /Ask:\n([\s\S]*?)\nor keep it/.exec(words)?.[1] ?? '';
  const text = pasted.replace(/^ {4}/gm, '');
  const loaded = await loadConfig({ sets, file: { name: 'broker.yaml', text } });
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  expect(loaded.config.security.authentication.authenticators).toEqual(['database', 'scram']);
  expect(loaded.config.authorization.rules).toHaveLength(1);
});
