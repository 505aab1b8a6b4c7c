import { IMPORTS, MEMORY_EXPORT, OPTIONAL_EXPORTS, REQUIRED_EXPORTS } from './abi.ts';
import { refuse } from './refusal.ts';
import type { Shape } from './shape.ts';

/** What a module asks of the broker. `signature` reads the type, which only functions have. */
export function checkImport(name: string, kind: number, signature: () => string | undefined): void {
  const wanted = Object.hasOwn(IMPORTS, name) ? IMPORTS[name] : undefined;
  if (kind !== 0 || wanted === undefined) refuse('import', `it imports ${JSON.stringify(name)}`);
  const given = signature();
  if (given !== wanted) refuse('import', `${name} has the type ${given}, not ${wanted}`);
}

/** What the broker asks of a module. */
export function checkExports(shape: Shape): void {
  if (shape.exports.get(MEMORY_EXPORT)?.kind !== 2)
    refuse('export', `no memory of the name ${MEMORY_EXPORT}`);
  for (const [name, signature] of Object.entries(REQUIRED_EXPORTS)) {
    if (!shape.exports.has(name)) refuse('export', `no function ${name}`);
    checkFunction(shape, name, signature);
  }
  for (const [name, signature] of Object.entries(OPTIONAL_EXPORTS)) {
    if (shape.exports.has(name)) checkFunction(shape, name, signature);
  }
}

function checkFunction(shape: Shape, name: string, wanted: string | undefined): void {
  const found = shape.exports.get(name);
  if (found?.kind !== 0) refuse('export', `${name} is no function`);
  const own = found.index - shape.importedFunctions;
  if (own < 0) refuse('export', `${name} is what it imports`);
  const given = shape.signatures[shape.functions[own]];
  if (wanted !== undefined && given !== wanted)
    refuse('export', `${name} has the type ${given}, not ${wanted}`);
}
