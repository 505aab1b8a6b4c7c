import type { ModuleLimits } from './limits.ts';

/** What the pass knows of a module before it comes to the bodies of its functions. */
export interface Shape {
  readonly limits: ModuleLimits;
  /** As `ii>l`: i, l, f and d are i32, i64, f32 and f64. */
  readonly signatures: string[];
  importedFunctions: number;
  /** The type of each function of the module's own. */
  readonly functions: number[];
  /** The user's. Ours has the next index. */
  globals: number;
  /** Of blocks so far. */
  blockValues: number;
  tableEntries: number;
  hasTable: boolean;
  hasMemory: boolean;
  memoryPages: { initial: number; maximum: number };
  readonly exports: Map<string, { readonly kind: number; readonly index: number }>;
}

export function emptyShape(limits: ModuleLimits): Shape {
  return {
    limits,
    signatures: [],
    importedFunctions: 0,
    functions: [],
    globals: 0,
    blockValues: 0,
    tableEntries: 0,
    hasTable: false,
    hasMemory: false,
    memoryPages: { initial: 0, maximum: 0 },
    exports: new Map(),
  };
}

/** Functions that the user's code may name: ours, behind them, is none of them. */
export const functionCount = (shape: Shape): number => shape.importedFunctions + shape.functions.length;
