/**
 * Frames: four bytes of length, a header, a message. The header's form follows from the API and its version: flexible messages have
 * flexible headers, but for the answer to ApiVersions, which every client must be able to read. The client's name stays a plain
 * string in all of them.
 */
import { WireError, type WireFault } from '../schema/fault.ts';
import type { In } from '../schema/message.ts';
import { WireReader } from '../schema/reader.ts';
import type { WireWriter } from '../schema/writer.ts';
import { type Api, Apis, apiByKey } from './apis.ts';

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** undefined where we have no such API: what follows the header cannot be read. */
  readonly api: Api | undefined;
  /** Where the message starts. */
  readonly end: number;
}

export type DecodedHeader =
  | { readonly header: RequestHeader; readonly fault?: undefined }
  | { readonly header?: undefined; readonly fault: WireFault };

function skipTagged(from: WireReader): void {
  for (let left = from.uvarint(); left > 0; left--) {
    from.uvarint();
    from.skip(from.uvarint());
  }
}

/** Of a request without its length. Versions that we do not have are read like the nearest that we have. */
export function decodeRequestHeader(bytes: Uint8Array): DecodedHeader {
  const from = new WireReader(bytes);
  try {
    const apiKey = from.int16();
    const apiVersion = from.int16();
    const correlationId = from.int32();
    const api = apiByKey(apiKey);
    const length = from.length16();
    const clientId = length < 0 ? null : from.text(length);
    if (api?.request.isFlexible(apiVersion)) skipTagged(from);
    return { header: { apiKey, apiVersion, correlationId, clientId, api, end: from.position } };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { fault: { reason: error.reason, path: 'header' } };
  }
}

const hasFlexibleHeader = (api: Api, version: number): boolean =>
  api.response.isFlexible(version) && api.key !== Apis.apiVersions.key;

/** Behind the header of an answer without its length, whose correlation id is its first four bytes. */
export function responseBodyAt(api: Api, version: number, bytes: Uint8Array): number {
  const from = new WireReader(bytes, 4);
  if (hasFlexibleHeader(api, version)) skipTagged(from);
  return from.position;
}

function encodeFrame(to: WireWriter, write: () => void): Uint8Array[] {
  try {
    to.int32(0);
    write();
    to.patchInt32(0, to.byteLength - 4);
    return to.finish();
  } catch (error) {
    to.discard();
    throw error;
  }
}

/** In pieces for one gathering write; byte fields that were not small are the caller's own bytes. */
export function encodeResponse<A extends Api>(
  to: WireWriter,
  api: A,
  version: number,
  correlationId: number,
  value: In<A['response']>,
): Uint8Array[] {
  return encodeFrame(to, () => {
    to.int32(correlationId);
    if (hasFlexibleHeader(api, version)) to.int8(0);
    api.response.encode(version, value as never, to);
  });
}

/** The client's side. */
export function encodeRequest<A extends Api>(
  to: WireWriter,
  api: A,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  value: In<A['request']>,
): Uint8Array[] {
  return encodeFrame(to, () => {
    to.int16(api.key);
    to.int16(version);
    to.int32(header.correlationId);
    if (header.clientId === null) to.int16(-1);
    else to.string(header.clientId);
    if (api.request.isFlexible(version)) to.int8(0);
    api.request.encode(version, value as never, to);
  });
}
