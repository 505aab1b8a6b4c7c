import { isIPv4, isIPv6 } from 'node:net';

/**
 * Parser of the PROXY protocol header, versions 1 and 2. It is strict: a header that bends the grammar in any way
 * is an error, because whoever can smuggle one past us chooses the address that the access rules see.
 */

export interface ProxySource {
  readonly address: string;
  readonly port: number;
}

export type ProxyResult =
  | { readonly status: 'more' }
  | { readonly status: 'error'; readonly reason: string }
  /** `source` undefined: the proxy speaks for itself (LOCAL, UNKNOWN): use the socket's own address. */
  | { readonly status: 'done'; readonly length: number; readonly source: ProxySource | undefined };

const signatureV2 = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const signatureV1 = new TextEncoder().encode('PROXY ');
const maxLengthV1 = 107;
const fixedLengthV2 = 16;
/** Addresses take up to 216 bytes; the rest is room for TLVs, of which those with client certificates are the longest. */
const maxPayloadV2 = 4096;

/** No valid header is longer. */
export const maxProxyHeaderBytes = fixedLengthV2 + maxPayloadV2;

const more: ProxyResult = { status: 'more' };
const fail = (reason: string): ProxyResult => ({ status: 'error', reason });

function matchesSoFar(bytes: Uint8Array, signature: Uint8Array): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let i = 0; i < length; i += 1) {
    if (bytes[i] !== signature[i]) return false;
  }
  return true;
}

/** `bytes` is everything received so far; call again with more until the status is another one than 'more'. */
export function parseProxyHeader(bytes: Uint8Array): ProxyResult {
  if (bytes.length === 0) return more;
  if (matchesSoFar(bytes, signatureV1)) return bytes.length < signatureV1.length ? more : parseV1(bytes);
  if (matchesSoFar(bytes, signatureV2)) return bytes.length < fixedLengthV2 ? more : parseV2(bytes);
  return fail('not a PROXY protocol signature');
}

function parseV1(bytes: Uint8Array): ProxyResult {
  const carriageReturn = bytes.subarray(0, maxLengthV1).indexOf(0x0d);
  if (carriageReturn < 0) {
    return bytes.length >= maxLengthV1 ? fail('version 1 header longer than 107 bytes') : more;
  }
  if (carriageReturn + 2 > maxLengthV1) return fail('version 1 header longer than 107 bytes');
  if (bytes.length === carriageReturn + 1) return more;
  if (bytes[carriageReturn + 1] !== 0x0a) return fail('version 1 line does not end with CR LF');
  const length = carriageReturn + 2;
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...excess] =
    Buffer.from(bytes.subarray(0, carriageReturn)).toString('latin1').split(' ');
  if (family === 'UNKNOWN') return { status: 'done', length, source: undefined };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined;
  if (isAddress === undefined) return fail('version 1 protocol is none of TCP4, TCP6, UNKNOWN');
  if (excess.length > 0) return fail('version 1 line has too many fields');
  if (!isAddress(source) || !isAddress(destination)) {
    return fail('version 1 address does not fit its protocol');
  }
  const port = parsePort(sourcePort);
  if (port === undefined || parsePort(destinationPort) === undefined)
    return fail('version 1 port is not valid');
  return { status: 'done', length, source: { address: canonical(source), port } };
}

/** net.isIPv6 takes a zone (`fe80::1%eth0`); the PROXY protocol does not know zones. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function parsePort(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/** Address families and transports of version 2 by their byte: how long their addresses are. */
const addressLengths: Readonly<Record<number, number>> = { 0: 0, 17: 12, 33: 36, 49: 216 };

function parseV2(bytes: Uint8Array): ProxyResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const versionAndCommand = view.getUint8(12);
  if (versionAndCommand !== 0x20 && versionAndCommand !== 0x21) {
    return fail('version 2 header with an unknown version or command');
  }
  const payloadLength = view.getUint16(14);
  if (payloadLength > maxPayloadV2) return fail(`version 2 header longer than ${maxProxyHeaderBytes} bytes`);
  const length = fixedLengthV2 + payloadLength;
  if (bytes.length < length) return more;
  // LOCAL: the receiver must take the connection as it is and skip whatever follows, of any family.
  if (versionAndCommand === 0x20) return { status: 'done', length, source: undefined };

  const family = view.getUint8(13);
  const addressLength = addressLengths[family];
  if (addressLength === undefined)
    return fail('version 2 header for an unsupported address family or transport');
  if (payloadLength < addressLength) return fail('version 2 header too short for its addresses');
  if (family === 0x00) return { status: 'done', length, source: undefined };
  const tlvError = checkTlvs(view, fixedLengthV2 + addressLength, length);
  if (tlvError !== undefined) return fail(tlvError);
  if (family === 0x11) {
    const address = bytes.subarray(fixedLengthV2, fixedLengthV2 + 4).join('.');
    return { status: 'done', length, source: { address, port: view.getUint16(fixedLengthV2 + 8) } };
  }
  if (family === 0x21) {
    const address = formatIPv6(view, fixedLengthV2);
    return { status: 'done', length, source: { address, port: view.getUint16(fixedLengthV2 + 32) } };
  }
  return { status: 'done', length, source: { address: '', port: 0 } };
}

function checkTlvs(view: DataView, start: number, end: number): string | undefined {
  let offset = start;
  while (offset < end) {
    if (end - offset < 3) return 'version 2 TLV cut short';
    offset += 3 + view.getUint16(offset + 1);
    if (offset > end) return 'version 2 TLV runs over the end of the header';
  }
  return undefined;
}

function formatIPv6(view: DataView, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(offset + 2 * index).toString(16));
  return canonical(groups.join(':'));
}

/** The text form of RFC 5952, so that the same client has the same address with and without a proxy. */
function canonical(address: string): string {
  if (isIPv4(address)) return address;
  return plainAddress(new URL(`http://[${address}]/`).hostname.slice(1, -1));
}

const mappedDotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const mappedHex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i;

/** An IPv4 client on a dual-stack socket appears as ::ffff:a.b.c.d; rules and logs know it as a.b.c.d. */
export function plainAddress(address: string): string {
  const dotted = mappedDotted.exec(address)?.[1];
  if (dotted !== undefined) return dotted;
  const hex = mappedHex.exec(address);
  if (hex === null) return address;
  const high = Number.parseInt(hex[1] ?? '', 16);
  const low = Number.parseInt(hex[2] ?? '', 16);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}
