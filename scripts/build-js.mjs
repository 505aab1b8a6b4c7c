// Builds what users run into build/js: the command as few modules, because a
// start that opens hundreds of files spends most of its time on that, and the client for web pages module by module, because
// those are served and used one by one. The types are checked here too; esbuild does not look at them.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    // A folder in build/.
    out: { type: 'string', default: 'js' },
    // Without the check of types, where something else has made it.
    unchecked: { type: 'boolean', default: false },
  },
});
if (!/^[\w-]+$/.test(values.out))
  throw new Error(`--out is the name of a folder in build/, not ${values.out}`);
const outDir = resolve(root, 'build', values.out);

function compile(args) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, ...args], { cwd: root, stdio: 'inherit' });
}

/** All in the folder of the entry, so that each finds other files of the package where the others do; returns what was written. */
async function buildCommand() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { 'cli/main': 'src/cli/main.ts' },
    outdir: outDir,
    chunkNames: 'cli/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  });
  return new Set(Object.keys(metafile.outputs).map((path) => join(root, path)));
}

function buildBrowser() {
  rmSync(join(outDir, 'browser'), { recursive: true, force: true });
  compile(['-p', 'tsconfig.browser.json', '--outDir', join(outDir, 'browser')]);
  const from = join(root, 'src/browser/page');
  const to = join(outDir, 'browser/page');
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (['.html', '.css', '.svg'].includes(extname(name))) cpSync(join(from, name), join(to, name));
  }
  cpSync(join(root, 'build/frames.wasm'), join(outDir, 'browser/frames.wasm'));
}

/** What an earlier build left; only now, since a program that runs from here may still load some of it. */
function removeOlder(written) {
  for (const name of readdirSync(outDir)) {
    if (name !== 'cli' && name !== 'browser') rmSync(join(outDir, name), { recursive: true });
  }
  for (const name of readdirSync(join(outDir, 'cli'))) {
    const path = join(outDir, 'cli', name);
    if (!written.has(path)) rmSync(path, { recursive: true });
  }
}

if (!values.unchecked) compile(['-p', 'tsconfig.build.json']);
const written = await buildCommand();
buildBrowser();
removeOlder(written);
