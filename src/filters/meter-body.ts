import { Bulk, IMMEDIATES, Immediate, LAST_CONVERSION } from './opcodes.ts';
import type { Reader } from './reader.ts';
import { bounded, refuse } from './refusal.ts';
import { functionCount, type Shape } from './shape.ts';
import type { Writer } from './writer.ts';

/** Of a call that asks the system for pages. */
const GROW_COST = 2000;
/** Of a table entry that is copied: the engine checks and converts each. */
const TABLE_ENTRY_COST = 20;
/** Of a call into the engine, whatever its length. */
const BULK_COST = 16;
/** Charges are taken from what is not negative, so that one of them cannot come around below it. */
const MAX_COST = 2 ** 30;

const isValueType = (byte: number): boolean => byte >= 0x7c && byte <= 0x7f;

/** Where something is put in front of a byte of the body: a charge, or a call of the function that charges by length. */
interface Insertion {
  readonly at: number;
  cost: number;
}
const BY_LENGTH = -1;
/** Instructions, or charges, of which so many are one step of the pass. */
const STEP_MASK = 1023;

/**
 * Checks the body of one function and writes it to `out` with its charges. The entry of the function pays for the
 * instructions outside loops, the head of a loop for those inside it and outside inner loops: whatever way is taken, each
 * instruction that runs was paid for by the head or the entry that was passed last before it.
 */
export function* meterBody(reader: Reader, shape: Shape, out: Writer): Generator<void, void> {
  const start = reader.at;
  const locals = skipLocals(reader, shape);
  // Locals are zeroed at every call.
  const entry: Insertion = { at: reader.at, cost: 1 + locals };
  const insertions = yield* scan(reader, shape, entry);
  reader.finish('a function');

  let from = start;
  let step = 0;
  for (const { at, cost } of insertions) {
    if ((++step & STEP_MASK) === 0) yield;
    out.write(reader.bytes.subarray(from, at));
    from = at;
    if (cost === BY_LENGTH) {
      out.byte(0x10);
      out.u32(functionCount(shape));
    } else writeCharge(out, shape.globals, cost);
  }
  out.write(reader.bytes.subarray(from, reader.end));
}

/** Takes `cost` from the fuel; ends by `unreachable` where that was more than there was, so that what is left is negative. */
function writeCharge(out: Writer, fuel: number, cost: number): void {
  out.byte(0x23); // global.get
  out.u32(fuel);
  out.byte(0x41); // i32.const
  out.positive(cost);
  out.byte(0x6b); // i32.sub
  writeTake(out, fuel);
}

/** Behind a subtraction: keeps what is left, and ends when it is negative. */
export function writeTake(out: Writer, fuel: number): void {
  out.byte(0x24); // global.set
  out.u32(fuel);
  out.byte(0x23); // global.get
  out.u32(fuel);
  // i32.const 0, i32.lt_s, if, unreachable, end
  out.write([0x41, 0x00, 0x48, 0x04, 0x40, 0x00, 0x0b]);
}

function skipLocals(reader: Reader, shape: Shape): number {
  const { maxLocals } = shape.limits;
  const groups = bounded(reader.u32(), maxLocals, 'groups of locals');
  let locals = 0;
  for (let i = 0; i < groups; i++) {
    locals = bounded(locals + reader.u32(), maxLocals, 'locals of a function');
    if (!isValueType(reader.byte())) refuse('type', `a local at byte ${reader.at} that is no number`);
  }
  return locals;
}

function* scan(reader: Reader, shape: Shape, entry: Insertion): Generator<void, Insertion[]> {
  const insertions = [entry];
  /** Who pays, for each block that is open. */
  const payers = [entry];
  let step = 0;
  while (payers.length > 0) {
    if ((++step & STEP_MASK) === 0) yield;
    const at = reader.at;
    const payer = payers[payers.length - 1];
    const opcode = reader.byte();
    let cost = 1;
    switch (IMMEDIATES[opcode]) {
      case Immediate.None:
        break;
      case Immediate.Else:
        break;
      case Immediate.Block:
        skipBlockType(reader, shape);
        open(payers, payer, shape);
        break;
      case Immediate.Loop: {
        skipBlockType(reader, shape);
        const head: Insertion = { at: reader.at, cost: 1 };
        insertions.push(head);
        open(payers, head, shape);
        break;
      }
      case Immediate.End:
        payers.pop();
        break;
      case Immediate.Index:
        reader.u32();
        break;
      case Immediate.Labels:
        // Each takes a byte at least: what reaches over the end is found before much was read.
        for (let labels = reader.u32(); labels > 0; labels--) reader.u32();
        reader.u32();
        break;
      case Immediate.Call:
        if (reader.u32() >= functionCount(shape)) refuse('malformed', `a call at byte ${at} of no function`);
        break;
      case Immediate.CallIndirect:
        if (reader.u32() >= shape.signatures.length) refuse('malformed', `a call at byte ${at} of no type`);
        if (reader.u32() !== 0) refuse('table', `a call at byte ${at} through a second table`);
        break;
      case Immediate.Global:
        if (reader.u32() >= shape.globals) refuse('malformed', `no such global at byte ${at}`);
        break;
      case Immediate.Address:
        // Larger ones are of other proposals: several memories, memories of 64 bits.
        if (reader.u32() > 3) refuse('memory', `an alignment at byte ${at} of more than 8 bytes`);
        reader.u32();
        break;
      case Immediate.MemoryGrow:
        cost = GROW_COST;
        onlyMemory(reader);
        break;
      case Immediate.MemorySize:
        onlyMemory(reader);
        break;
      case Immediate.Signed32:
        reader.skipSigned(32);
        break;
      case Immediate.Signed64:
        reader.skipSigned(64);
        break;
      case Immediate.Bytes4:
        reader.skip(4);
        break;
      case Immediate.Bytes8:
        reader.skip(8);
        break;
      case Immediate.Prefix:
        cost = scanBulk(reader, shape, insertions, at);
        break;
      default:
        refuse('opcode', `the instruction 0x${opcode.toString(16).padStart(2, '0')} at byte ${at}`);
    }
    payer.cost = Math.min(MAX_COST, payer.cost + cost);
  }
  return insertions;
}

function open(payers: Insertion[], payer: Insertion, shape: Shape): void {
  bounded(payers.length, shape.limits.maxNesting, 'blocks in each other');
  payers.push(payer);
}

function onlyMemory(reader: Reader): void {
  if (reader.byte() !== 0) refuse('memory', `a second memory at byte ${reader.at - 1}`);
}

function onlyTable(reader: Reader): void {
  if (reader.u32() !== 0) refuse('table', `a second table at byte ${reader.at - 1}`);
}

/** The cost that is known beforehand. A stretch of memory is paid for by its length, when that is known. */
function scanBulk(reader: Reader, shape: Shape, insertions: Insertion[], at: number): number {
  const opcode = reader.u32();
  if (opcode <= LAST_CONVERSION) return 1;
  const tableCost = BULK_COST + shape.tableEntries * TABLE_ENTRY_COST;
  switch (opcode) {
    case Bulk.MemoryInit:
      reader.u32();
      onlyMemory(reader);
      break;
    case Bulk.MemoryCopy:
      onlyMemory(reader);
      onlyMemory(reader);
      break;
    case Bulk.MemoryFill:
      onlyMemory(reader);
      break;
    case Bulk.TableInit:
      reader.u32();
      onlyTable(reader);
      return tableCost;
    case Bulk.TableCopy:
      onlyTable(reader);
      onlyTable(reader);
      return tableCost;
    case Bulk.DataDrop:
    case Bulk.ElementDrop:
      reader.u32();
      return 1;
    default:
      refuse('opcode', `the instruction 0xfc ${opcode} at byte ${at}`);
  }
  insertions.push({ at, cost: BY_LENGTH });
  return BULK_COST;
}

/** Nothing, one value, or a type of the module's. */
function skipBlockType(reader: Reader, shape: Shape): void {
  const first = reader.bytes[reader.at];
  if (first === 0x40 || isValueType(first)) reader.skip(1);
  else if (first >= 0x40 && first < 0x80)
    refuse('type', `a block at byte ${reader.at} of something that is no number`);
  else {
    const signature = shape.signatures[reader.u32()];
    if (signature === undefined) refuse('malformed', `a block at byte ${reader.at} of no type`);
    const values = shape.blockValues + signature.length - 1;
    shape.blockValues = bounded(values, shape.limits.maxBlockValues, 'values of blocks');
  }
}
