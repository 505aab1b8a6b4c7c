/** Modules out of parts, for tests: valid ones, and such as no compiler makes. */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const VOID = 0x40;
export const END = 0x0b;

export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

export function s32(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    if ((rest >> 6 === 0 && low < 0x40) || (rest >> 6 === -1 && low >= 0x40)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

export const i32 = (value: number): number[] => [0x41, ...s32(value)];
export const get = (local: number): number[] => [0x20, ...u32(local)];
export const setLocal = (local: number): number[] => [0x21, ...u32(local)];
export const name = (text: string): number[] => [...u32(Buffer.byteLength(text)), ...Buffer.from(text)];
export const list = (items: readonly (readonly number[])[]): number[] => [
  ...u32(items.length),
  ...items.flat(),
];
export const section = (id: number, body: readonly number[]): number[] => [id, ...u32(body.length), ...body];

export interface FunctionPart {
  readonly parameters?: readonly number[];
  readonly results?: readonly number[];
  readonly locals?: readonly (readonly [count: number, type: number])[];
  readonly exportAs?: string;
  /** Without its last `end`. */
  readonly code: readonly number[];
}

export interface ModuleParts {
  readonly functions?: readonly FunctionPart[];
  readonly imports?: readonly (readonly number[])[];
  /** Behind those of the functions. */
  readonly types?: readonly (readonly number[])[];
  readonly memory?: readonly number[];
  readonly table?: readonly number[];
  readonly globals?: readonly (readonly number[])[];
  readonly exports?: readonly (readonly number[])[];
  readonly elements?: readonly (readonly number[])[];
  readonly data?: readonly (readonly number[])[];
  readonly dataCount?: number;
  /** By the section in front of which it comes; 99 is the end. */
  readonly extra?: Readonly<Record<number, readonly number[]>>;
}

export const importFunction = (from: string, what: string, type: number): number[] => [
  ...name(from),
  ...name(what),
  0,
  ...u32(type),
];

/** The index of the type of function i is i; of imported functions whatever they say. */
export function buildModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const functions = parts.functions ?? [];
  const imported = parts.imports?.length ?? 0;
  const extra = (id: number): readonly number[] => parts.extra?.[id] ?? [];
  const types = functions.map(({ parameters = [], results = [] }) => [
    0x60,
    ...list(parameters.map((type) => [type])),
    ...list(results.map((type) => [type])),
  ]);
  const exports = functions.flatMap(({ exportAs }, i) =>
    exportAs === undefined ? [] : [[...name(exportAs), 0, ...u32(imported + i)]],
  );
  const memory = parts.memory ?? [0, 1];
  if (memory.length > 0) exports.push([...name('memory'), 2, 0]);
  exports.push(...(parts.exports ?? []).map((each) => [...each]));
  const bodies = functions.map(({ locals = [], code }) => {
    const body = [...list(locals.map(([count, type]) => [...u32(count), type])), ...code, END];
    return [...u32(body.length), ...body];
  });
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...extra(1),
    ...section(1, list([...types, ...(parts.types ?? [])])),
    ...extra(2),
    ...(imported > 0 ? section(2, list(parts.imports ?? [])) : []),
    ...section(3, list(functions.map((_, i) => u32(i)))),
    ...(parts.table === undefined ? [] : section(4, list([parts.table]))),
    ...(memory.length > 0 ? section(5, list([memory])) : []),
    ...extra(6),
    ...(parts.globals === undefined ? [] : section(6, list(parts.globals))),
    ...section(7, list(exports)),
    ...extra(8),
    ...(parts.elements === undefined ? [] : section(9, list(parts.elements))),
    ...(parts.dataCount === undefined ? [] : section(12, u32(parts.dataCount))),
    ...extra(10),
    ...section(10, list(bodies)),
    ...(parts.data === undefined ? [] : section(11, list(parts.data))),
    ...extra(99),
  ]);
}

/** What every filter has. The exchange area is at 1024. `batch` is the body of filter_batch (rows, count, answer). */
export function filterFunctions(
  batch: readonly number[],
  locals: FunctionPart['locals'] = [],
): FunctionPart[] {
  return [
    { exportAs: 'filter_abi_1', code: [] },
    { exportAs: 'filter_alloc', parameters: [I32], results: [I32], code: i32(1024) },
    { exportAs: 'filter_batch', parameters: [I32, I32, I32], results: [I32], locals, code: batch },
  ];
}

/** A filter of which `code`, which leaves an i32, is all that filter_batch does. */
export function filterModule(code: readonly number[], parts: ModuleParts = {}): Uint8Array<ArrayBuffer> {
  return buildModule({ ...parts, functions: [...filterFunctions(code), ...(parts.functions ?? [])] });
}
