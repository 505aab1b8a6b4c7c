import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePacket, decodeServerPacket } from '../../../../src/protocols/mqtt/codec/decode.ts';
import { encodeForClient, encodeForServer } from '../../../../src/protocols/mqtt/codec/encode.ts';
import {
  isViolation,
  PacketType,
  type ProtocolVersion,
} from '../../../../src/protocols/mqtt/codec/packets.ts';
import { clientPacket, LIMITS, serverPacket } from './arbitraries.ts';

const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];

describe.each(VERSIONS)('version %i', (version) => {
  const decodeClient = (frame: Uint8Array) => {
    const first = (frame[0] ?? 0) >> 4 === PacketType.Connect;
    return decodePacket(frame, first ? undefined : version, LIMITS);
  };
  const encodedClient = clientPacket(version).map((packet) => {
    const frame = encodeForServer(packet, version);
    if (frame === undefined) throw new Error('not encodable');
    return { packet, frame };
  });
  const encodedServer = serverPacket(version).map((packet) => {
    const frame = encodeForClient(packet, version);
    if (frame === undefined) throw new Error('not encodable');
    return { packet, frame };
  });

  it('reads back what it wrote to the server', () => {
    fc.assert(
      fc.property(encodedClient, ({ packet, frame }) => {
        expect(decodeClient(frame)).toEqual(packet);
      }),
      { numRuns: 500 },
    );
  });

  it('reads back what it wrote to the client', () => {
    fc.assert(
      fc.property(encodedServer, ({ packet, frame }) => {
        expect(decodeServerPacket(frame, version, LIMITS)).toEqual(packet);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps no view of its input', () => {
    fc.assert(
      fc.property(encodedClient, ({ packet, frame }) => {
        const decoded = decodeClient(frame);
        frame.fill(0xee);
        expect(decoded).toEqual(packet);
      }),
      { numRuns: 200 },
    );
  });

  it('reads a frame that lies inside a larger buffer', () => {
    fc.assert(
      fc.property(encodedClient, ({ packet, frame }) => {
        const buffer = new Uint8Array(frame.length + 20).fill(0xff);
        buffer.set(frame, 7);
        expect(decodeClient(buffer.subarray(7, 7 + frame.length))).toEqual(packet);
      }),
      { numRuns: 100 },
    );
  });

  it('refuses every packet that is cut short (item 4)', () => {
    fc.assert(
      fc.property(encodedClient, encodedServer, (client, server) => {
        for (let length = 0; length < client.frame.length; length++) {
          expect(isViolation(decodeClient(client.frame.subarray(0, length)))).toBe(true);
        }
        for (let length = 0; length < server.frame.length; length++) {
          const cut = server.frame.subarray(0, length);
          expect(isViolation(decodeServerPacket(cut, version, LIMITS))).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('accepts no garbage behind a packet, neither outside nor inside its remaining length', () => {
    fc.assert(
      fc.property(encodedClient, encodedServer, (client, server) => {
        for (const lengthen of [appendOutside, appendInside]) {
          const payload = lengthen === appendInside;
          if (!(payload && client.packet.type === PacketType.Publish)) {
            expect(isViolation(decodeClient(lengthen(client.frame)))).toBe(true);
          }
          if (!(payload && server.packet.type === PacketType.Publish)) {
            expect(isViolation(decodeServerPacket(lengthen(server.frame), version, LIMITS))).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('never throws on a packet with one byte changed, and what it still accepts means what it says (item 5)', () => {
    fc.assert(
      fc.property(encodedClient, fc.integer({ min: 1, max: 255 }), ({ frame }, difference) => {
        for (let at = 0; at < frame.length; at++) {
          const mutant = frame.slice();
          mutant[at] = (mutant[at] ?? 0) ^ difference;
          const decoded = decodeClient(mutant);
          if (isViolation(decoded)) {
            expect(decoded.message).not.toBe('');
            expect(decoded.citation).toMatch(/MQTT|section/);
            continue;
          }
          const decodedVersion = decoded.type === PacketType.Connect ? decoded.version : version;
          if (decoded.type === PacketType.Connect && decodedVersion !== 5 && decoded.clientId === '')
            continue;
          const again = encodeForServer(decoded, decodedVersion);
          if (again === undefined) throw new Error('not encodable');
          const before = decoded.type === PacketType.Connect ? undefined : decodedVersion;
          expect(decodePacket(again, before, LIMITS)).toEqual(decoded);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('never throws on a server packet with one byte changed', () => {
    fc.assert(
      fc.property(encodedServer, fc.integer({ min: 1, max: 255 }), ({ frame }, difference) => {
        for (let at = 0; at < frame.length; at++) {
          const mutant = frame.slice();
          mutant[at] = (mutant[at] ?? 0) ^ difference;
          decodeServerPacket(mutant, version, LIMITS);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('never throws on random bytes (item 5)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 255 }), (body, first) => {
        const frame = Uint8Array.from([first, body.length, ...body]);
        decodePacket(frame, undefined, LIMITS);
        decodePacket(frame, version, LIMITS);
        decodeServerPacket(frame, version, LIMITS);
      }),
      { numRuns: 3000 },
    );
  });
});

function appendOutside(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame, 0xff]);
}

/** Also counts the garbage in the remaining length, which must then be re-encoded. */
function appendInside(frame: Uint8Array): Uint8Array {
  let at = 1;
  while ((frame[at] ?? 0) >= 0x80) at++;
  const body = [...frame.subarray(at + 1), 0xff];
  const length: number[] = [];
  let rest = body.length;
  do {
    length.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
    rest >>= 7;
  } while (rest > 0);
  return Uint8Array.from([frame[0] ?? 0, ...length, ...body]);
}
