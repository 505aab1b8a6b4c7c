/**
 * Instances of metered modules: the only code that runs a user's instructions. Every call has fuel before it begins and ends
 * as a value, whatever the module does. An instance whose call did not end well is not to be called again: what its memory
 * and its globals hold then is not anything that its author wrote down.
 */
import { FUEL_EXPORT } from './abi.ts';
import { areaBytes, type BatchArea, type BatchBounds, createBatchArea } from './batch.ts';

export type CompiledModule = WebAssembly.Module;

export type FailureKind =
  /** More instructions than it had fuel for. */
  | 'out-of-fuel'
  /** Calls in each other that the engine has no stack for. */
  | 'stack'
  /** Division by zero, an address outside its memory, `unreachable` of its own… */
  | 'trap'
  /** AssemblyScript's way to give up: an assertion, an index out of bounds. */
  | 'abort'
  /** There is no memory for it: whether it can be instantiated at all was seen when it was compiled. */
  | 'instantiation'
  /** The exchange area that it gave is not inside its memory. */
  | 'area'
  /** It does not take its configuration. */
  | 'configuration'
  /** It said itself that it cannot judge the batch. */
  | 'refused'
  /** What it answered is no answer. */
  | 'answer'
  /** A message larger than a batch; the module did not see it. */
  | 'too-large'
  /** It failed too often and rests; the module did not see the batch. */
  | 'resting';

export interface Failure {
  readonly kind: FailureKind;
  readonly detail: string;
}

export interface InstanceOptions extends BatchBounds {
  /** Of the start, and of each batch. */
  readonly fuel: number;
  readonly configuration: Uint8Array;
}

export interface FilterInstance {
  readonly area: BatchArea;
  /** Whether each message in the area is kept. */
  judge(): Uint8Array | Failure;
  /** By the last batch. */
  fuelUsed(): number;
  memoryBytes(): number;
}

export const isFailure = (value: object): value is Failure => 'kind' in value;

/** What the exports are was checked before metering, by name and type. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly [FUEL_EXPORT]: WebAssembly.Global<'i32'>;
  readonly _initialize?: () => void;
  readonly filter_alloc: (size: number) => number;
  readonly filter_configure?: (address: number, length: number) => number;
  readonly filter_batch: (rows: number, count: number, answer: number) => number;
}

class Abort extends Error {}

export function createInstance(module: CompiledModule, options: InstanceOptions): FilterInstance | Failure {
  let exports: Exports | undefined;
  const abort = (message: number, _file: number, line: number, column: number): never => {
    throw new Abort(
      `${exports === undefined ? '' : assemblyScriptText(exports.memory, message)} (line ${line}, column ${column})`,
    );
  };
  try {
    exports = new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as Exports;
  } catch (error) {
    return { kind: 'instantiation', detail: text(error) };
  }
  const { memory, [FUEL_EXPORT]: fuel, _initialize, filter_alloc, filter_configure, filter_batch } = exports;

  const call = (run: () => number): number | Failure => {
    try {
      return run();
    } catch (error) {
      // Only a charge takes it below zero, and ends the call at once.
      if (fuel.value < 0) return { kind: 'out-of-fuel', detail: `more than ${options.fuel} units of fuel` };
      if (error instanceof Abort) return { kind: 'abort', detail: error.message };
      if (error instanceof RangeError) return { kind: 'stack', detail: text(error) };
      return { kind: 'trap', detail: text(error) };
    }
  };

  // One ration for all that belongs to the start.
  fuel.value = options.fuel;
  if (_initialize !== undefined) {
    const failed = call(() => {
      _initialize();
      return 0;
    });
    if (typeof failed !== 'number') return failed;
  }
  const size = areaBytes(options);
  const given = call(() => filter_alloc(size));
  if (typeof given !== 'number') return given;
  const address = given >>> 0;
  if (address === 0 || address % 8 !== 0 || address + size > memory.buffer.byteLength) {
    return { kind: 'area', detail: `filter_alloc(${size}) gave ${address}` };
  }
  if (options.configuration.length > size) {
    return {
      kind: 'configuration',
      detail: `${options.configuration.length} bytes, of which ${size} are room for`,
    };
  }
  if (filter_configure !== undefined) {
    new Uint8Array(memory.buffer).set(options.configuration, address);
    const answer = call(() => filter_configure(address, options.configuration.length));
    if (typeof answer !== 'number') return answer;
    if (answer !== 0) return { kind: 'configuration', detail: `filter_configure answered ${answer}` };
  } else if (options.configuration.length > 0) {
    return { kind: 'configuration', detail: 'it has a configuration, but no filter_configure' };
  }

  const area = createBatchArea(memory, address, options);
  return {
    area,
    judge() {
      area.clearAnswer();
      fuel.value = options.fuel;
      const kept = call(() => filter_batch(area.rowsAddress, area.count(), area.answerAddress));
      if (typeof kept !== 'number') return kept;
      if (kept < 0) return { kind: 'refused', detail: `filter_batch answered ${kept}` };
      const verdicts = area.answer(kept);
      if (verdicts !== undefined) return verdicts;
      return {
        kind: 'answer',
        detail: `${kept} of ${area.count()} messages kept, but not those that are marked`,
      };
    },
    fuelUsed: () => options.fuel - Math.max(0, fuel.value),
    memoryBytes: () => memory.buffer.byteLength,
  };
}

const MAX_TEXT = 200;

function text(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, MAX_TEXT) : 'an error of the engine';
}

/** UTF-16, its length in bytes in front of it; the address is whatever the module says. */
function assemblyScriptText(memory: WebAssembly.Memory, at: number): string {
  const address = at >>> 0;
  const bytes = memory.buffer.byteLength;
  if (address < 4 || address > bytes) return '';
  const view = new DataView(memory.buffer);
  const length = Math.min(view.getUint32(address - 4, true), MAX_TEXT * 2, bytes - address) & ~1;
  let found = '';
  for (let i = 0; i < length; i += 2) found += String.fromCharCode(view.getUint16(address + i, true));
  // It comes into logs: nothing that moves a cursor.
  return found.replace(/[^\x20-\x7e]/g, '?');
}
