/** Sets of networks: an address is found with one look-up per length of prefix that occurs, however many networks there are. */
import { isIP } from 'node:net';
import { withAccessors } from '../kernel/with-accessors.ts';

/** What `10.0.0.0/8`, or a bare address, stands for. IPv4 inside IPv6 is IPv4, so that nobody has two addresses. */
export interface Network {
  readonly bits: 32 | 128;
  readonly prefix: number;
  /** Without what is behind the prefix. */
  readonly value: bigint;
}

const MAPPED = 0xffffn;

function valueOf4(text: string): bigint {
  return text.split('.').reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function valueOf6(text: string): bigint {
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  let groups = text;
  if (tail.includes('.')) {
    const value = valueOf4(tail);
    groups = `${text.slice(0, lastColon + 1)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  }
  const [head = '', rest] = groups.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeros = rest === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].reduce(
    (sum, group) => (sum << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

function withoutHost(value: bigint, bits: 32 | 128, prefix: number): bigint {
  const host = BigInt(bits - prefix);
  return (value >> host) << host;
}

/** Undefined for what is no address and no network. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', length, ...excess] = text.split('/');
  // A scope names an interface of this machine, not somebody else.
  const zone = address.indexOf('%');
  const bare = zone < 0 ? address : address.slice(0, zone);
  const version = isIP(bare);
  if (version === 0 || excess.length > 0) return undefined;
  const longest = version === 4 ? 32 : 128;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const prefix = length === undefined ? longest : Number(length);
  if (prefix > longest) return undefined;
  if (version === 4) return { bits: 32, prefix, value: withoutHost(valueOf4(bare), 32, prefix) };
  const value = valueOf6(bare);
  if (prefix >= 96 && value >> 32n === MAPPED) {
    return { bits: 32, prefix: prefix - 96, value: withoutHost(value & 0xffff_ffffn, 32, prefix - 96) };
  }
  return { bits: 128, prefix, value: withoutHost(value, 128, prefix) };
}

/** The same text for every way to write the network; undefined where it is none. */
export function canonicalNetwork(text: string): string | undefined {
  const network = parseNetwork(text);
  if (network === undefined) return undefined;
  const { bits, prefix, value } = network;
  const size = bits === 32 ? 8 : 16;
  const groups = Array.from({ length: bits / size }, (_, i) =>
    Number((value >> BigInt(bits - size * (i + 1))) & BigInt(2 ** size - 1)),
  );
  return bits === 32
    ? `${groups.join('.')}/${prefix}`
    : `${groups.map((group) => group.toString(16)).join(':')}/${prefix}`;
}

/** By which somebody is told apart: an address of IPv4, or the 64 bits of IPv6 that one subscriber has. */
export function peerKey(address: string): string {
  const network = parseNetwork(address);
  if (network === undefined) return address;
  return network.bits === 32 ? network.value.toString(16) : `${(network.value >> 64n).toString(16)}::`;
}

export interface NetworkMap<T> {
  readonly size: number;
  /** False where that is no network. */
  set(network: string, value: T): boolean;
  delete(network: string): void;
  /** Of the narrowest network that has the address, which may be parsed already, and whose value counts. */
  find(address: string | Network, counts?: (value: T) => boolean): T | undefined;
}

interface Prefixes<T> {
  readonly bits: 32 | 128;
  readonly prefix: number;
  readonly networks: Map<bigint, T>;
}

export function createNetworkMap<T>(): NetworkMap<T> {
  /** Longest prefixes first. */
  let lengths: Prefixes<T>[] = [];
  let size = 0;

  const ofLength = ({ bits, prefix }: Network): Prefixes<T> | undefined =>
    lengths.find((each) => each.bits === bits && each.prefix === prefix);

  return withAccessors<NetworkMap<T>, 'size'>(
    {
      get size() {
        return size;
      },
    },
    {
      set(text, value) {
        const network = parseNetwork(text);
        if (network === undefined) return false;
        let known = ofLength(network);
        if (known === undefined) {
          known = { bits: network.bits, prefix: network.prefix, networks: new Map() };
          lengths = [...lengths, known].toSorted((a, b) => b.prefix - a.prefix);
        }
        if (!known.networks.has(network.value)) size++;
        known.networks.set(network.value, value);
        return true;
      },
      delete(text) {
        const network = parseNetwork(text);
        const known = network && ofLength(network);
        if (network === undefined || known === undefined || !known.networks.delete(network.value)) return;
        size--;
        if (known.networks.size === 0) lengths = lengths.filter((each) => each !== known);
      },
      find(address, counts = () => true) {
        if (size === 0) return undefined;
        const asked = typeof address === 'string' ? parseNetwork(address) : address;
        if (asked === undefined) return undefined;
        for (const { bits, prefix, networks } of lengths) {
          if (bits !== asked.bits || prefix > asked.prefix) continue;
          const found = networks.get(withoutHost(asked.value, bits, prefix));
          if (found !== undefined && counts(found)) return found;
        }
        return undefined;
      },
    },
  );
}
