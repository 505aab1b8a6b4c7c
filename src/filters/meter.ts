/**
 * One linear pass over a user's module: refuses what a filter may not be, bounds its memory, and puts fuel in. The result is
 * the same module with a global, a type and a function of ours behind the user's own, so that no index of the user's shifts;
 * custom sections are left out. Nothing is sized by what a module says of itself, only by the bytes that are there.
 *
 * It goes in small steps, so that whoever has other work can do it in between: a module may be made so that each of its bytes is
 * much of it. The pass does not check types: the engine's validator must have accepted what comes in, and accepts what goes out.
 */
import { CALL_EXPORT, FUEL_EXPORT, RESERVED_PREFIX } from './abi.ts';
import { checkExports, checkImport } from './contract.ts';
import { DEFAULT_MODULE_LIMITS, type ModuleLimits } from './limits.ts';
import { meterBody, writeTake } from './meter-body.ts';
import { Reader } from './reader.ts';
import { bounded, type Refusal, RefusalError, refuse } from './refusal.ts';
import { emptyShape, functionCount, type Shape } from './shape.ts';
import { Writer } from './writer.ts';

export interface Metered {
  readonly ok: true;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly functions: number;
  readonly memoryPages: { readonly initial: number; readonly maximum: number };
}

const Section = {
  Custom: 0,
  Type: 1,
  Import: 2,
  Function: 3,
  Table: 4,
  Memory: 5,
  Global: 6,
  Export: 7,
  Start: 8,
  Element: 9,
  Code: 10,
  Data: 11,
  DataCount: 12,
} as const;
/** In which order sections come, by their numbers. 0: not one of a filter's. */
const RANKS = [0, 1, 2, 3, 4, 5, 6, 7, 0, 9, 11, 12, 10];

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const VALUE_TYPES = 'dfli';
const FUNCREF = 0x70;
const I32 = 0x7f;
const I64 = 0x7e;
const F32 = 0x7d;
const F64 = 0x7c;
/** Of the function that calls others, in the order of its locals. */
const LOCALS = 'ilfd';
const END = 0x0b;
/** Behind the user's: one that charges by length, and one that calls. Both are of our type. */
const OWN_FUNCTIONS = 2;

/** The whole pass at once. */
export function meterModule(bytes: Uint8Array, limits = DEFAULT_MODULE_LIMITS): Metered | Refusal {
  const steps = meterSteps(bytes, limits);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The bytes must not change until the pass is over. */
export function* meterSteps(
  bytes: Uint8Array,
  limits = DEFAULT_MODULE_LIMITS,
): Generator<void, Metered | Refusal> {
  try {
    return yield* pass(bytes, limits);
  } catch (error) {
    if (error instanceof RefusalError) return { ok: false, reason: error.reason, detail: error.message };
    throw error;
  }
}

function* pass(bytes: Uint8Array, limits: ModuleLimits): Generator<void, Metered> {
  bounded(bytes.length, limits.maxModuleBytes, 'bytes');
  const reader = new Reader(bytes, 0, bytes.length);
  if (HEADER.some((byte) => reader.byte() !== byte))
    refuse('malformed', 'it does not begin as WebAssembly 1 does');
  const shape = emptyShape(limits);
  const out = new Writer(limits.maxMeteredBytes);
  const section = new Writer(limits.maxMeteredBytes);
  out.write(HEADER);
  let rank = 0;
  const seen = new Set<number>();
  while (reader.at < reader.end) {
    yield;
    const id = reader.byte();
    const part = reader.part(reader.u32());
    if (id === Section.Custom) {
      name(part, limits);
      continue;
    }
    if (id === Section.Start) refuse('start', 'a start function: export it as _initialize');
    const own = RANKS[id] ?? 0;
    if (own === 0) refuse('section', `a section ${id}`);
    if (own <= rank) refuse('section', `section ${id} twice or behind one that it belongs in front of`);
    if (rank < RANKS[Section.Global] && own > RANKS[Section.Global]) writeOwnGlobals(out);
    rank = own;
    seen.add(id);
    section.clear();
    yield* PASSES[id](part, shape, section) ?? [];
    part.finish(`section ${id}`);
    out.byte(id);
    out.u32(section.length);
    out.write(section.view());
  }
  if (!seen.has(Section.Export)) refuse('export', 'it exports nothing');
  if (!seen.has(Section.Code)) refuse('malformed', 'functions without bodies');
  checkExports(shape);
  return {
    ok: true,
    bytes: out.view().slice(),
    functions: shape.functions.length,
    memoryPages: shape.memoryPages,
  };
}

type Pass = (part: Reader, shape: Shape, out: Writer) => Generator<void, void> | void;
/** By number of section. Each reads its section up to its end and writes what takes its place. */
const PASSES: Readonly<Record<number, Pass>> = {
  [Section.Type]: types,
  [Section.Import]: imports,
  [Section.Function]: functions,
  [Section.Table]: table,
  [Section.Memory]: memory,
  [Section.Global]: globals,
  [Section.Export]: exported,
  [Section.Element]: elements,
  [Section.Code]: code,
  [Section.Data]: data,
  [Section.DataCount]: dataCount,
};

/** A list of which the last entries are ours. */
function extended(part: Reader, count: number, own: number, out: Writer, each: () => void): void {
  out.u32(count + own);
  verbatim(part, count, out, each);
}

function verbatim(part: Reader, count: number, out: Writer, each: () => void): void {
  const start = part.at;
  for (let i = 0; i < count; i++) each();
  out.write(part.bytes.subarray(start, part.at));
}

function types(part: Reader, shape: Shape, out: Writer): void {
  const { maxTypes, maxParameters, maxResults } = shape.limits;
  const count = bounded(part.u32(), maxTypes, 'types');
  extended(part, count, 1, out, () => {
    if (part.byte() !== 0x60) refuse('type', `a type at byte ${part.at - 1} that is no function's`);
    const parameters = values(part, bounded(part.u32(), maxParameters, 'parameters'));
    shape.signatures.push(`${parameters}>${values(part, bounded(part.u32(), maxResults, 'results'))}`);
  });
  out.write([0x60, 1, I32, 1, I32]);
}

function values(part: Reader, count: number): string {
  let letters = '';
  for (let i = 0; i < count; i++) letters += valueType(part);
  return letters;
}

function valueType(part: Reader): string {
  return (
    VALUE_TYPES[part.byte() - 0x7c] ?? refuse('type', `a value at byte ${part.at - 1} that is no number`)
  );
}

function name(part: Reader, limits: ModuleLimits): string {
  const length = bounded(part.u32(), limits.maxNameBytes, 'bytes of a name');
  const text = part.part(length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      text.bytes.subarray(text.at, text.end),
    );
  } catch {
    return refuse('malformed', `a name at byte ${text.at} that is not UTF-8`);
  }
}

function imports(part: Reader, shape: Shape, out: Writer): void {
  const count = bounded(part.u32(), shape.limits.maxExports, 'imports');
  out.u32(count);
  verbatim(part, count, out, () => {
    const from = name(part, shape.limits);
    const what = name(part, shape.limits);
    checkImport(`${from}.${what}`, part.byte(), () => shape.signatures[part.u32()]);
    shape.importedFunctions++;
  });
}

function functions(part: Reader, shape: Shape, out: Writer): void {
  const count = bounded(part.u32(), shape.limits.maxFunctions, 'functions');
  extended(part, count, OWN_FUNCTIONS, out, () => {
    const type = part.u32();
    if (type >= shape.signatures.length) refuse('malformed', `a function of no type at byte ${part.at}`);
    shape.functions.push(type);
  });
  for (let i = 0; i < OWN_FUNCTIONS; i++) out.u32(shape.signatures.length);
}

function table(part: Reader, shape: Shape, out: Writer): void {
  const count = part.u32();
  if (count > 1) refuse('table', `${count} tables`);
  out.u32(count);
  verbatim(part, count, out, () => {
    if (part.byte() !== FUNCREF) refuse('table', 'a table of something else than functions');
    const flags = part.byte();
    if (flags > 1) refuse('table', `a table of the kind ${flags}`);
    shape.tableEntries = bounded(part.u32(), shape.limits.maxTableEntries, 'entries of a table');
    // It cannot grow: no instruction for that is let in.
    if (flags === 1) part.u32();
    shape.hasTable = true;
  });
}

function memory(part: Reader, shape: Shape, out: Writer): void {
  const { maxMemoryPages } = shape.limits;
  const count = part.u32();
  if (count !== 1) refuse('memory', `${count} memories`);
  const flags = part.byte();
  if (flags > 1) refuse('memory', 'a memory that is shared or of 64 bits');
  const initial = bounded(part.u32(), maxMemoryPages, 'pages of memory');
  const maximum = Math.min(flags === 1 ? part.u32() : maxMemoryPages, maxMemoryPages);
  shape.hasMemory = true;
  shape.memoryPages = { initial, maximum };
  out.write([1, 1]);
  out.u32(initial);
  out.u32(maximum);
}

function globals(part: Reader, shape: Shape, out: Writer): void {
  const count = bounded(part.u32(), shape.limits.maxGlobals, 'globals');
  extended(part, count, 1, out, () => {
    valueType(part);
    part.byte();
    constant(part);
  });
  shape.globals = count;
  writeFuel(out);
}

/** A mutable i32 that begins at 0: before the host puts fuel in, nothing runs. */
function writeFuel(out: Writer): void {
  out.write([I32, 1, 0x41, 0, END]);
}

function writeOwnGlobals(out: Writer): void {
  out.write([Section.Global, 6, 1]);
  writeFuel(out);
}

function constant(part: Reader): void {
  const opcode = part.byte();
  if (opcode === 0x41) part.skipSigned(32);
  else if (opcode === 0x42) part.skipSigned(64);
  else if (opcode === 0x43) part.skip(4);
  else if (opcode === 0x44) part.skip(8);
  else refuse('constant', `the instruction 0x${opcode.toString(16)} in a constant at byte ${part.at - 1}`);
  if (part.byte() !== END) refuse('constant', `a constant of several instructions at byte ${part.at - 1}`);
}

function exported(part: Reader, shape: Shape, out: Writer): void {
  const count = bounded(part.u32(), shape.limits.maxExports, 'exports');
  extended(part, count, 2, out, () => {
    const exportName = name(part, shape.limits);
    if (exportName.startsWith(RESERVED_PREFIX))
      refuse('export', `the name ${exportName}, which is the broker's`);
    if (shape.exports.has(exportName)) refuse('malformed', `${exportName} exported twice`);
    const kind = part.byte();
    const index = part.u32();
    const counts = [functionCount(shape), shape.hasTable ? 1 : 0, shape.hasMemory ? 1 : 0, shape.globals];
    if (index >= (counts[kind] ?? 0)) refuse('export', `${exportName} that does not exist`);
    shape.exports.set(exportName, { kind, index });
  });
  writeExport(out, FUEL_EXPORT, 3, shape.globals);
  // Behind the one that charges by length.
  writeExport(out, CALL_EXPORT, 0, functionCount(shape) + 1);
}

function writeExport(out: Writer, exportName: string, kind: number, index: number): void {
  out.u32(exportName.length);
  out.write(new TextEncoder().encode(exportName));
  out.byte(kind);
  out.u32(index);
}

function elements(part: Reader, shape: Shape, out: Writer): void {
  const { maxSegments, maxTableEntries } = shape.limits;
  const count = bounded(part.u32(), maxSegments, 'segments of elements');
  let all = 0;
  out.u32(count);
  verbatim(part, count, out, () => {
    const flags = part.u32();
    if (flags > 3) refuse('table', `elements of the kind ${flags}`);
    if (flags === 2 && part.u32() !== 0) refuse('table', 'elements of a second table');
    if (flags === 0 || flags === 2) constant(part);
    if (flags !== 0 && part.byte() !== 0) refuse('table', 'elements that are no functions');
    const entries = part.u32();
    all = bounded(all + entries, maxTableEntries, 'elements');
    for (let i = 0; i < entries; i++) {
      if (part.u32() >= functionCount(shape))
        refuse('malformed', `an element at byte ${part.at} of no function`);
    }
  });
}

function dataCount(part: Reader, shape: Shape, out: Writer): void {
  out.u32(bounded(part.u32(), shape.limits.maxSegments, 'segments of data'));
}

function data(part: Reader, shape: Shape, out: Writer): void {
  const count = bounded(part.u32(), shape.limits.maxSegments, 'segments of data');
  out.u32(count);
  verbatim(part, count, out, () => {
    const flags = part.u32();
    if (flags > 2) refuse('memory', `data of the kind ${flags}`);
    if (flags === 2 && part.u32() !== 0) refuse('memory', 'data of a second memory');
    if (flags !== 1) constant(part);
    part.skip(part.u32());
  });
}

function* code(part: Reader, shape: Shape, out: Writer): Generator<void, void> {
  const { maxFunctionBytes, maxMeteredBytes } = shape.limits;
  const count = part.u32();
  if (count !== shape.functions.length) {
    refuse('malformed', `${count} bodies of ${shape.functions.length} functions`);
  }
  const body = new Writer(maxMeteredBytes);
  const append = (): void => {
    out.u32(body.length);
    out.write(body.view());
    body.clear();
  };
  out.u32(count + OWN_FUNCTIONS);
  for (let i = 0; i < count; i++) {
    yield;
    yield* meterBody(part.part(bounded(part.u32(), maxFunctionBytes, 'bytes of a function')), shape, body);
    append();
  }
  writeChargeByLength(body, shape.globals);
  append();
  yield* writeCall(body, shape);
  append();
}

/**
 * Calls one of the module's own functions, by its number. The engine compiles a function when it is first called:
 * by this it does so where and when that is wanted. Nothing of the module runs: what fuel there is is taken away first.
 */
function* writeCall(out: Writer, shape: Shape): Generator<void, void> {
  // One local of each type, of which the first is the parameter.
  out.write([3, 1, I64, 1, F32, 1, F64]);
  // i32.const 0, global.set
  out.write([0x41, 0, 0x24]);
  out.u32(shape.globals);
  for (const [i, type] of shape.functions.entries()) {
    if ((i & 63) === 0) yield;
    const [parameters = '', results = ''] = shape.signatures[type].split('>');
    // local.get 0, i32.const i, i32.eq, if
    out.write([0x20, 0, 0x41]);
    out.positive(i);
    out.write([0x46, 0x04, 0x40]);
    for (const letter of parameters) out.write([0x20, LOCALS.indexOf(letter)]);
    out.byte(0x10); // call
    out.u32(shape.importedFunctions + i);
    for (let result = 0; result < results.length; result++) out.byte(0x1a); // drop
    out.byte(END);
  }
  // i32.const 0, end
  out.write([0x41, 0, END]);
}

/** Takes a number of bytes and gives it back, having charged for each sixteen of them. */
function writeChargeByLength(out: Writer, fuel: number): void {
  out.byte(0); // no locals
  out.byte(0x23); // global.get
  out.u32(fuel);
  // local.get 0, i32.const 4, i32.shr_u, i32.sub
  out.write([0x20, 0x00, 0x41, 0x04, 0x76, 0x6b]);
  writeTake(out, fuel);
  // local.get 0, end
  out.write([0x20, 0x00, END]);
}
