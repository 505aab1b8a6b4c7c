/**
 * What lives here: a small language for the definitions of Kafka's messages (fields.ts), and what is made of a definition: readers
 * and writers for each version, and the types of its values. Not here: the messages themselves (../messages), sockets, state.
 * Guarantees: `decode` never throws on bytes, makes nothing of a length before the bytes are there, and gives views instead of
 * copies of byte fields; `encode` writes what the peer of that version expects, and throws a WireError on values it cannot carry.
 */
import { type Read, structReader } from './decoders.ts';
import { structWriter, type Write } from './encoders.ts';
import { WireError, type WireFault } from './fault.ts';
import type { Fields, StructIn, StructOut } from './fields.ts';
import { type MapNames, structMapper } from './names.ts';
import { WireReader } from './reader.ts';
import { includes, type VersionRange, versionRange } from './versions.ts';
import type { WireWriter } from './writer.ts';

/** `end` is behind the message: what follows it is the caller's affair. */
export type Decoded<T> =
  | { readonly value: T; readonly end: number; readonly fault?: undefined }
  | { readonly value?: undefined; readonly fault: WireFault };

export interface MessageVersions {
  /** All that can be read and written. */
  readonly versions: string;
  /** From which version on lengths are compact and fields may be tagged. */
  readonly flexible: string;
}

export interface Message<Out = unknown, In = never> {
  readonly name: string;
  readonly versions: VersionRange;
  readonly fields: Fields;
  isFlexible(version: number): boolean;
  /** A RangeError where the message has no such version. */
  decode(version: number, bytes: Uint8Array, at?: number): Decoded<Out>;
  encode(version: number, value: In, to: WireWriter): void;
  /** Replaces the names of a value of this message; undefined where the version has none. */
  mapNames(version: number): MapNames<unknown> | undefined;
}

/** What a message decodes to. */
export type Out<M> = M extends Message<infer T, never> ? T : never;
/** What a message is encoded from. */
export type In<M> = M extends { encode(version: number, value: infer T, to: WireWriter): void } ? T : never;

export function message<const S extends Fields>(
  name: string,
  { versions, flexible }: MessageVersions,
  fields: S,
): Message<StructOut<S>, StructIn<S>> {
  const range = versionRange(versions);
  const flexibleRange = versionRange(flexible);
  const isFlexible = (version: number): boolean => includes(flexibleRange, version);
  const reads: (Read | undefined)[] = [];
  const writes: (Write | undefined)[] = [];
  const mappers: (MapNames<unknown> | 'none' | undefined)[] = [];
  const check = (version: number): void => {
    if (!Number.isInteger(version) || !includes(range, version)) {
      throw new RangeError(`${name} has no version ${version}`);
    }
  };
  const reader = (version: number): Read => {
    check(version);
    const read = structReader(fields, version, isFlexible(version));
    reads[version] = read;
    return read;
  };
  const writer = (version: number): Write => {
    check(version);
    const write = structWriter(fields, version, isFlexible(version));
    writes[version] = write;
    return write;
  };
  return {
    name,
    versions: range,
    fields,
    isFlexible,
    decode(version, bytes, at = 0) {
      const read = reads[version] ?? reader(version);
      const from = new WireReader(bytes, at);
      try {
        return { value: read(from) as StructOut<S>, end: from.position };
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        return { fault: { reason: error.reason, path: error.path } };
      }
    },
    encode(version, value, to) {
      (writes[version] ?? writer(version))(to, value);
    },
    mapNames(version) {
      mappers[version] ??= (structMapper(fields, version) as MapNames<unknown> | undefined) ?? 'none';
      const map = mappers[version];
      return map === 'none' ? undefined : map;
    },
  };
}
