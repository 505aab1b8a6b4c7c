import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Version of the package this file belongs to, whether it runs from the sources or from the build. */
export function packageVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) {
      const { version }: { version?: unknown } = JSON.parse(readFileSync(manifest, 'utf8'));
      return typeof version === 'string' ? version : 'unknown';
    }
    if (folder === dirname(folder)) return 'unknown';
  }
}
