/**
 * The instructions that a filter may have, by what follows them in the binary: WebAssembly 1.0 with sign extension,
 * conversions that do not trap, bulk memory, and blocks and functions of several values. What is not here is refused,
 * whatever the engine could do with it.
 */
export const Immediate = {
  /** Not an instruction of a filter's. */
  Refused: 0,
  None: 1,
  Block: 2,
  Loop: 3,
  Else: 4,
  End: 5,
  /** One index that the validator bounds: a label, a local. */
  Index: 6,
  Labels: 7,
  Call: 8,
  CallIndirect: 9,
  Global: 10,
  Address: 11,
  /** A byte 0 for the only memory. */
  MemorySize: 12,
  MemoryGrow: 13,
  Signed32: 14,
  Signed64: 15,
  Bytes4: 16,
  Bytes8: 17,
  /** More follows: see BULK. */
  Prefix: 18,
} as const;

export const IMMEDIATES = new Uint8Array(256);

function set(first: number, last: number, kind: number): void {
  IMMEDIATES.fill(kind, first, last + 1);
}

set(0x00, 0x01, Immediate.None); // unreachable, nop
set(0x02, 0x02, Immediate.Block);
set(0x03, 0x03, Immediate.Loop);
set(0x04, 0x04, Immediate.Block); // if
set(0x05, 0x05, Immediate.Else);
set(0x0b, 0x0b, Immediate.End);
set(0x0c, 0x0d, Immediate.Index); // br, br_if
set(0x0e, 0x0e, Immediate.Labels); // br_table
set(0x0f, 0x0f, Immediate.None); // return
set(0x10, 0x10, Immediate.Call);
set(0x11, 0x11, Immediate.CallIndirect);
set(0x1a, 0x1b, Immediate.None); // drop, select
set(0x20, 0x22, Immediate.Index); // local.get, set, tee
set(0x23, 0x24, Immediate.Global);
set(0x28, 0x3e, Immediate.Address); // loads and stores
set(0x3f, 0x3f, Immediate.MemorySize);
set(0x40, 0x40, Immediate.MemoryGrow);
set(0x41, 0x41, Immediate.Signed32);
set(0x42, 0x42, Immediate.Signed64);
set(0x43, 0x43, Immediate.Bytes4);
set(0x44, 0x44, Immediate.Bytes8);
set(0x45, 0xbf, Immediate.None); // numbers
set(0xc0, 0xc4, Immediate.None); // sign extension
set(0xfc, 0xfc, Immediate.Prefix);

/** Behind the prefix 0xfc; 0 to 7 are conversions that saturate. */
export const Bulk = {
  MemoryInit: 8,
  DataDrop: 9,
  MemoryCopy: 10,
  MemoryFill: 11,
  TableInit: 12,
  ElementDrop: 13,
  TableCopy: 14,
} as const;

export const LAST_CONVERSION = 7;
