import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { readConnack } from '../../src/load/connack.ts';

describe('what a CONNACK asks for', () => {
  it('is found among whatever other properties there are', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            receiveMaximum: fc.integer({ min: 1, max: 65_535 }),
            serverKeepAlive: fc.integer({ min: 0, max: 65_535 }),
            sessionExpiryInterval: fc.nat(),
            maximumQoS: fc.constantFrom(0, 1),
            retainAvailable: fc.boolean(),
            assignedClientIdentifier: fc.string({ maxLength: 200 }),
            reasonString: fc.string(),
            userProperties: fc.constant({ a: 'b', '': 'c' }),
            authenticationMethod: fc.string(),
            authenticationData: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
          },
          { requiredKeys: [] },
        ),
        (properties) => {
          const bytes = mqttPacket.generate(
            // Its types say 1 or 2, the protocol 0 or 1.
            { cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: properties as object },
            { protocolVersion: 5 },
          );
          const body = bytes.subarray((bytes[1] ?? 0) >= 0x80 ? 3 : 2);
          const read = readConnack(body);
          expect(read.code).toBe(0);
          expect(read.receiveMaximum).toBe(properties.receiveMaximum ?? 65_535);
          expect(read.keepAliveSeconds).toBe(properties.serverKeepAlive);
        },
      ),
    );
  });

  it('is read from MQTT 3.1.1, and from what is no CONNACK without harm', () => {
    expect(readConnack(Uint8Array.of(0, 5))).toEqual({
      code: 5,
      receiveMaximum: 65_535,
      keepAliveSeconds: undefined,
    });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void readConnack(bytes)));
  });
});
