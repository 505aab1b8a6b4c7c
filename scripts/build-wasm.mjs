// Compiles every module of assembly/ twice: build/<name>.wasm is what runs, build/<name>.debug.wasm
// keeps assertions and names and is what the tests can switch to (ROBUSTMQ_WASM=debug).
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
mkdirSync('build', { recursive: true });

const modules = [
  { name: 'mqtt', entry: 'assembly/mqtt/index.ts' },
  { name: 'topics', entry: 'assembly/topics/index.ts' },
  { name: 'frames', entry: 'assembly/frames/index.ts' },
  { name: 'log', entry: 'assembly/log/index.ts' },
];

for (const { name, entry } of modules) {
  for (const target of ['release', 'debug']) {
    const outFile = `build/${name}${target === 'debug' ? '.debug' : ''}.wasm`;
    const { error, stderr } = await asc.main([
      entry,
      '--config',
      'asconfig.json',
      '--target',
      target,
      '--outFile',
      outFile,
    ]);
    if (error) {
      console.error(stderr.toString());
      console.error(`assembly: ${entry} (${target}) did not compile: ${error.message}`);
      process.exit(1);
    }
  }
}
