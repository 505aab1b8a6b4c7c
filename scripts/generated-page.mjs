/** A page of docs/ that is made by a script: written, or with --check compared. */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Ends with exit code 1 when there are problems, of which a stale page is one; `command` makes it anew. */
export function finishPage(page, text, problems, command) {
  const all = [...problems];
  if (process.argv.includes('--check')) {
    let current = '';
    try {
      current = readFileSync(page, 'utf8');
    } catch {
      // Missing is stale.
    }
    if (current !== text) all.push(`${relative(root, page)} is stale: run ${command}`);
  } else {
    writeFileSync(page, text);
  }
  for (const problem of all) process.stderr.write(`${problem}\n`);
  process.exitCode = all.length > 0 ? 1 : 0;
}
