/**
 * The broker's own frame scanner in a web page: `frames.wasm`, which lies next to this file once built, as a
 * `ScanFrames`. Where it cannot be had (no WebAssembly, a policy that forbids it, an old browser, a failed request)
 * `scanFrames` serves; both give the same result for every input.
 */
import { FRAME_ROW, type ScanFrames, scanFrames } from './frames.ts';

interface FramesModule {
  _start(): void;
  inputOffset(): number;
  tableOffset(): number;
  scan(length: number, maxPacketBytes: number): number;
  consumed(): number;
  needBytes(): number;
  reason(): number;
}

const WINDOW_BYTES = 65_536;
/** The window and, in front of it, the module's own table. */
const MEMORY_PAGES = 2;
const MODULE_ROWS = 256;
const NO_LIMIT = 0xffffffff;
/** A connection waits for the scanner this long at most. */
const LOAD_TIMEOUT_MS = 2000;

type Instantiate = (imports: WebAssembly.Imports) => Promise<WebAssembly.Instance>;

/** All framers of a page can share one: nothing of a stream stays in it between two calls. */
export async function createWasmScanner(instantiate: Instantiate): Promise<ScanFrames> {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const instance = await instantiate({ env: { memory } });
  const wasm = instance.exports as unknown as FramesModule;
  wasm._start();
  const input = new Uint8Array(memory.buffer, wasm.inputOffset(), WINDOW_BYTES);
  const found = new Int32Array(memory.buffer, wasm.tableOffset(), MODULE_ROWS * FRAME_ROW);

  return (bytes, table, maxPacketBytes) => {
    const rows = Math.floor(table.length / FRAME_ROW);
    let frames = 0;
    let at = 0;
    while (frames < rows && at < bytes.length) {
      const chunk = bytes.subarray(at, at + WINDOW_BYTES);
      input.set(chunk);
      const count = wasm.scan(chunk.length, Math.min(maxPacketBytes, NO_LIMIT));
      const taken = Math.min(count, rows - frames);
      for (let from = 0, to = frames * FRAME_ROW; from < taken * FRAME_ROW; from++, to++) {
        table[to] = at + (found[from] as number);
      }
      frames += taken;
      if (frames === rows)
        return { frames, consumed: table[rows * FRAME_ROW - 1] ?? 0, needBytes: 0, reason: 0 };
      const consumed = wasm.consumed();
      const isLastWindow = at + chunk.length === bytes.length;
      at += consumed;
      if (count === MODULE_ROWS) continue;
      const reason = wasm.reason();
      if (reason !== 0 || isLastWindow) return { frames, consumed: at, needBytes: wasm.needBytes(), reason };
      if (consumed > 0) continue;
      // A packet larger than the window.
      const row = table.subarray(frames * FRAME_ROW, (frames + 1) * FRAME_ROW);
      const large = scanFrames(bytes.subarray(at), row, maxPacketBytes);
      if (large.frames === 0) return { ...large, frames, consumed: at };
      for (let field = 0; field < FRAME_ROW; field++) row[field] = at + (row[field] as number);
      frames++;
      at += large.consumed;
    }
    return { frames, consumed: at, needBytes: 0, reason: 0 };
  };
}

async function fetchScanner(): Promise<ScanFrames> {
  const signal = AbortSignal.timeout(LOAD_TIMEOUT_MS);
  const response = await fetch(new URL('./frames.wasm', import.meta.url), { signal });
  if (!response.ok) throw new Error(`frames.wasm: ${response.status}`);
  // Streaming insists on the media type, which not every file server knows.
  const streams =
    typeof WebAssembly.instantiateStreaming === 'function' &&
    response.headers.get('Content-Type') === 'application/wasm';
  return createWasmScanner(async (imports) => {
    const { instance } = streams
      ? await WebAssembly.instantiateStreaming(response, imports)
      : await WebAssembly.instantiate(await response.arrayBuffer(), imports);
    return instance;
  });
}

let loading: Promise<ScanFrames> | undefined;

/** Asked for once per page; never rejects. */
export function loadScanner(): Promise<ScanFrames> {
  loading ??= fetchScanner().catch(() => scanFrames);
  return loading;
}
