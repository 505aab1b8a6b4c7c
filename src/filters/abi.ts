/**
 * Version 1 of what a filter and the broker agree on; docs/filters.md says it for users, and assembly/filter-sdk reads it.
 * A change of any of this is a version of its own, told by another name of the marker.
 */

/** Functions that a module must export, and those that it may. */
export const REQUIRED_EXPORTS: Readonly<Record<string, string | undefined>> = {
  /** A marker. It is never called, and its type is its own. */
  filter_abi_1: undefined,
  /** size -> address of the exchange area. */
  filter_alloc: 'i>i',
  /** address of the rows, how many, address of the answer -> how many are kept, or a negative number that is the filter's own. */
  filter_batch: 'iii>i',
};
export const OPTIONAL_EXPORTS: Readonly<Record<string, string>> = {
  /** Called once, before everything else. */
  _initialize: '>',
  /** address and length of the configuration -> 0, or a number that says why not. */
  filter_configure: 'ii>i',
};
export const MEMORY_EXPORT = 'memory';
/** Names in front of which stands this are the broker's. */
export const RESERVED_PREFIX = 'robustmq:';
export const FUEL_EXPORT = 'robustmq:fuel';
/** Number of a function -> 0: calls it without fuel, so that it ends where it begins. */
export const CALL_EXPORT = 'robustmq:call';

/** All that may be imported: what AssemblyScript calls where it gives up (message, file, line, column). */
export const IMPORTS: Readonly<Record<string, string>> = { 'env.abort': 'iiii>' };

/** Bytes of a row; positions in it are in words of four bytes, little-endian. */
export const ROW_BYTES = 48;
export const Row = {
  Topic: 0,
  TopicLength: 1,
  Key: 2,
  /** ABSENT without a key. */
  KeyLength: 3,
  Payload: 4,
  PayloadLength: 5,
  /** Of headers: length of name, length of value (ABSENT: none), name, value; one behind the other. */
  Headers: 6,
  HeadersLength: 7,
  HeaderCount: 8,
  /** Bits 0 and 1: quality of service. Bit 2: retain. */
  Flags: 9,
  /** Milliseconds since the epoch, a signed number of 64 bits. */
  TimestampLow: 10,
  TimestampHigh: 11,
} as const;
export const ABSENT = 0xffff_ffff;
export const HEADER_PREFIX_BYTES = 8;
