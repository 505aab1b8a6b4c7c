/**
 * Finds, compiles and instantiates the modules of assembly/. The bytes are compiled once per process and module;
 * each call gives a new instance over the memory handed in. Nothing here knows what a module does.
 *
 * ROBUSTMQ_WASM=debug chooses the builds that keep assertions and function names.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const compiled = new Map<string, WebAssembly.Module>();

function locate(file: string): string {
  // From src/wasm the modules are in ../../build, from build/js/cli in ../.. itself.
  const candidates = [`../../build/${file}`, `../../${file}`].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(`${file} is missing (looked at ${candidates.join(' and ')}): run "npm run build:wasm"`);
  }
  return found;
}

function moduleFor(name: string): WebAssembly.Module {
  const file = `${name}${process.env.ROBUSTMQ_WASM === 'debug' ? '.debug' : ''}.wasm`;
  let module = compiled.get(file);
  if (module === undefined) {
    module = new WebAssembly.Module(readFileSync(locate(file)));
    compiled.set(file, module);
  }
  return module;
}

/**
 * An instance of build/<name>.wasm over `memory`. `imports` are further functions of the module's `env`.
 * The caller names the exports' types: they are its contract with the assembly/ source.
 */
export function loadWasm<E extends object>(
  name: string,
  memory: WebAssembly.Memory,
  imports: Readonly<Record<string, WebAssembly.ImportValue>> = {},
): E {
  const instance = new WebAssembly.Instance(moduleFor(name), { env: { ...imports, memory } });
  // Modules export their start function: it sets the globals that are not constants.
  const { _start: start } = instance.exports;
  if (typeof start === 'function') start();
  return instance.exports as unknown as E;
}
