/** What one module may be at most. Each is compared before anything is made of what it bounds. */
export interface ModuleLimits {
  readonly maxModuleBytes: number;
  /** After charges were put in; a module of nothing but loop heads grows tenfold. */
  readonly maxMeteredBytes: number;
  readonly maxTypes: number;
  readonly maxParameters: number;
  readonly maxResults: number;
  readonly maxFunctions: number;
  readonly maxFunctionBytes: number;
  /** Of one function, parameters not counted. */
  readonly maxLocals: number;
  /** Blocks in each other. */
  readonly maxNesting: number;
  /**
   * Values that blocks take and give, in all functions together: the engine compiles a function when it is first called, in time that
   * goes by these and not by bytes.
   */
  readonly maxBlockValues: number;
  readonly maxGlobals: number;
  readonly maxExports: number;
  readonly maxNameBytes: number;
  readonly maxTableEntries: number;
  /** Of elements and of data, each. */
  readonly maxSegments: number;
  /** Pages of 64 KiB. More at the start is refused, more later is not given. */
  readonly maxMemoryPages: number;
}

export const DEFAULT_MODULE_LIMITS: ModuleLimits = {
  maxModuleBytes: 1024 * 1024,
  maxMeteredBytes: 4 * 1024 * 1024,
  maxTypes: 1000,
  maxParameters: 64,
  maxResults: 16,
  maxFunctions: 5000,
  maxFunctionBytes: 128 * 1024,
  maxLocals: 2000,
  maxNesting: 1000,
  maxBlockValues: 10_000,
  maxGlobals: 1000,
  maxExports: 200,
  maxNameBytes: 256,
  maxTableEntries: 10_000,
  maxSegments: 1000,
  maxMemoryPages: 64,
};
