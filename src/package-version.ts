import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Version of the package that this program belongs to, whether it runs from the sources or was built. */
export function packageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); ) {
    const { name, version } = manifestIn(folder);
    if (name === 'robustmq') return typeof version === 'string' ? version : 'unknown';
    folder = dirname(folder);
  }
  return 'unknown';
}

function manifestIn(folder: string): { readonly name?: unknown; readonly version?: unknown } {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  } catch {
    // A folder without one lies on the way.
    return {};
  }
}
