/** Makes valid packets wrong in the ways that break parsers, and cuts streams at any place. */
import type { Random } from '../support/random.ts';

const LENGTHS = [
  [0],
  [1],
  [0x7f],
  [0x80, 0x01],
  [0x80, 0x00],
  [0xff, 0x7f],
  [0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0x01],
];
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x0b, 0x23, 0x26, 0xc0, 0xed, 0xf4];

type Mutation = (packet: Buffer, random: Random, other: Buffer) => Buffer;

const flipBit: Mutation = (packet, random) => {
  const copy = Buffer.from(packet);
  const at = random.below(copy.length);
  copy[at] = (copy[at] as number) ^ (1 << random.below(8));
  return copy;
};

const setByte: Mutation = (packet, random) => {
  const copy = Buffer.from(packet);
  copy[random.below(copy.length)] = random.oneIn(2) ? random.pick(EDGES) : random.below(256);
  return copy;
};

const setWord: Mutation = (packet, random) => {
  const copy = Buffer.from(packet);
  if (copy.length < 4) return copy;
  copy.writeUInt16BE(
    random.pick([0, 1, 0xffff, 0x7fff, copy.length, copy.length - 4]),
    random.below(copy.length - 1),
  );
  return copy;
};

const truncate: Mutation = (packet, random) => packet.subarray(0, random.below(packet.length));

const remove: Mutation = (packet, random) => {
  const from = random.below(packet.length);
  return Buffer.concat([packet.subarray(0, from), packet.subarray(from + 1 + random.below(8))]);
};

const insert: Mutation = (packet, random) => {
  const at = random.below(packet.length + 1);
  return Buffer.concat([packet.subarray(0, at), random.bytes(1 + random.below(8)), packet.subarray(at)]);
};

const splice: Mutation = (packet, random, other) =>
  Buffer.concat([
    packet.subarray(0, random.below(packet.length)),
    other.subarray(random.below(other.length)),
  ]);

/** Another length in the fixed header, the body as it was. */
const claimLength: Mutation = (packet, random) =>
  Buffer.concat([
    packet.subarray(0, 1),
    Buffer.from(random.pick(LENGTHS)),
    packet.subarray(bodyOffset(packet)),
  ]);

/** Changes the body and makes the fixed header agree, so that what lies deeper is reached. */
const changeBody: Mutation = (packet, random, other) => {
  const body = packet.subarray(bodyOffset(packet));
  if (body.length === 0) return packet;
  const changed = random.pick([flipBit, setByte, setWord, truncate, remove, insert, splice])(
    body,
    random,
    other,
  );
  return Buffer.concat([packet.subarray(0, 1), varint(changed.length), changed]);
};

const MUTATIONS = [
  flipBit,
  setByte,
  setWord,
  truncate,
  remove,
  insert,
  splice,
  claimLength,
  changeBody,
  changeBody,
  changeBody,
];

function bodyOffset(packet: Buffer): number {
  let at = 1;
  while (at < 5 && ((packet[at] ?? 0) & 0x80) !== 0) at++;
  return Math.min(at + 1, packet.length);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** Changes up to three packets of a session, its order now and then too. At least one thing is different. */
export function mutateSession(session: readonly Buffer[], random: Random): Buffer {
  const packets = [...session];
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    // CONNECT is spared mostly: behind a broken one nothing is reached.
    const at = packets.length > 1 && !random.oneIn(6) ? 1 + random.below(packets.length - 1) : 0;
    const packet = packets[at] as Buffer;
    if (random.oneIn(12)) packets.splice(random.below(packets.length), 0, packet);
    else if (random.oneIn(20)) packets.splice(at, 1);
    else if (packet.length > 0) packets[at] = random.pick(MUTATIONS)(packet, random, random.pick(session));
    if (packets.length === 0) return random.bytes(5);
  }
  return Buffer.concat(packets);
}

/** The same bytes in pieces: whole, in a few, or byte by byte. */
export function cut(bytes: Buffer, random: Random): Buffer[] {
  if (bytes.length < 2 || random.oneIn(3)) return [bytes];
  const mean = random.oneIn(8) ? 1 : 1 + random.below(200);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = mean === 1 ? 1 : 1 + random.below(2 * mean);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
