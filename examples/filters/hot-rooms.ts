// A filter in AssemblyScript: keeps readings in degrees Celsius that are above a threshold, and every message without a unit.
// The threshold is the filter's configuration, as text; 30 without one.
//
//   cd examples/filters && npx asc hot-rooms.ts --outFile hot-rooms.wasm
//
// docs/filters.md says what a filter may do, and what becomes of it when it does something else.
// biome-ignore lint/style/useImportType: AssemblyScript has no imports of types alone.
import { Bytes, judge, Message } from '../../assembly/filter-sdk/index';

export { filter_abi_1, filter_alloc } from '../../assembly/filter-sdk/index';

const unit = Bytes.of('unit');
const celsius = Bytes.of('celsius');
let threshold: f64 = 30;

export function filter_configure(address: usize, length: i32): i32 {
  if (length === 0) return 0;
  threshold = new Bytes().at(address, length).toNumber();
  return F64.isNaN(threshold) ? 1 : 0;
}

function isHot(message: Message): bool {
  const found = message.header(unit);
  if (found === null) return true;
  return found.equals(celsius) && message.payload().toNumber() > threshold;
}

export function filter_batch(rows: usize, count: i32, answer: usize): i32 {
  return judge(rows, count, answer, isHot);
}
