/** The same for MQTT 3.1.1, and where MQTT 3.1 differs. */
import { describe, expect, it } from 'vitest';
import { PacketType } from '../../../../src/protocols/mqtt/codec/packets.ts';
import { connect4, frame, judge, judgeServer } from './frames.ts';

const ok = (type: number) => expect.objectContaining({ type });
const connect3 = (flags: number, ...rest: string[]) => frame(0x10, 'MQIsdp', 3, flags, 0, 60, ...rest);

describe('strings, header and identifiers', () => {
  it('[3.1.1 MQTT-1.5.3-1] refuses ill-formed strings', () => {
    for (const bytes of [[0xff], [0xed, 0xbf, 0xbf], [0xc1, 0x81]]) {
      expect(judge(connect4(2, [0, bytes.length, ...bytes]), undefined)).toBe('0x81 3.1.1 MQTT-3.1.3-4 none');
    }
  });
  it('[3.1.1 MQTT-1.5.3-2] [3.1.1 MQTT-4.7.3-2] refuses U+0000', () => {
    expect(judge(connect4(2, 'a\0'), undefined)).toBe('0x81 3.1.1 MQTT-1.5.3-2 none');
    expect(judge(frame(0x30, 'a\0'), 4)).toBe('0x81 3.1.1 MQTT-1.5.3-2 none');
  });
  it('[3.1.1 MQTT-1.5.3-3] keeps a byte order mark', () => {
    expect(judge(connect4(2, '\ufeffc'), undefined)).toMatchObject({ clientId: '\ufeffc' });
  });
  it('[3.1.1 MQTT-2.2.2-1] [3.1.1 MQTT-2.2.2-2] refuses wrong header flags', () => {
    for (const first of [0x41, 0x52, 0x74, 0xc8]) {
      expect(judge(frame(first, 0, 1), 4)).toBe('0x81 3.1.1 MQTT-2.2.2-2 none');
    }
  });
  it('[3.1.1 MQTT-2.3.1-1] refuses packet identifier 0', () => {
    for (const bytes of [frame(0x32, 'a', 0, 0), frame(0x82, 0, 0, 'a', 0), frame(0xa2, 0, 0, 'a')]) {
      expect(judge(bytes, 4)).toBe('0x82 3.1.1 MQTT-2.3.1-1 none');
    }
  });
  it('[3.1.1 MQTT-2.3.1-5] has no packet identifier in a QoS 0 PUBLISH', () => {
    expect(judge(frame(0x30, 'a', 7), 4)).toMatchObject({ packetId: 0, payload: Uint8Array.of(7) });
  });
  it('[3.1.1 MQTT-4.8.0-1] refuses lengths that do not fit', () => {
    expect(judge(frame(0x40, 0, 1, 0), 4)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
    expect(judge(frame(0x40, 0), 4)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
    expect(judge(frame(0xe0, 0), 4)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
  });
  it('has no AUTH', () => {
    expect(judge(frame(0xf0), 4)).toMatch(/^0x81 .* none$/);
  });
});

describe('CONNECT', () => {
  it('[3.1.1 MQTT-3.1.0-2] refuses a second one', () => {
    expect(judge(connect4(2, 'c'), 4)).toBe('0x82 3.1.1 MQTT-3.1.0-2 none');
  });
  it('[3.1.1 MQTT-3.1.2-1] does not answer another protocol name', () => {
    expect(judge(frame(0x10, 'MQTt', 4, 2, 0, 0, 'c'), undefined)).toMatch(/ none$/);
  });
  it('[3.1.1 MQTT-3.1.2-2] answers an unsupported level', () => {
    expect(judge(frame(0x10, 'MQTT', 3, 2, 0, 0, 'c'), undefined)).toBe('0x84 3.1.1 MQTT-3.1.2-2 connack');
    expect(judge(frame(0x10, 'MQIsdp', 4, 2, 0, 0, 'c'), undefined)).toBe('0x84 3.1.1 MQTT-3.1.2-2 connack');
  });
  it('[3.1.1 MQTT-3.1.2-3] refuses the reserved flag', () => {
    expect(judge(connect4(3, 'c'), undefined)).toBe('0x81 3.1.1 MQTT-3.1.2-3 none');
  });
  it('[3.1.1 MQTT-3.1.2-11] refuses will fields without the Will Flag', () => {
    expect(judge(connect4(2, 'c', 'w', 'm'), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
  });
  it('[3.1.1 MQTT-3.1.2-13] refuses a Will QoS without a will', () => {
    expect(judge(connect4(0x0a, 'c'), undefined)).toBe('0x81 3.1.1 MQTT-3.1.2-13 none');
  });
  it('[3.1.1 MQTT-3.1.2-14] refuses Will QoS 3', () => {
    expect(judge(connect4(0x1e, 'c', 'w', ''), undefined)).toBe('0x81 3.1.1 MQTT-3.1.2-14 none');
  });
  it('[3.1.1 MQTT-3.1.2-15] refuses Will Retain without a will', () => {
    expect(judge(connect4(0x22, 'c'), undefined)).toBe('0x81 3.1.1 MQTT-3.1.2-15 none');
  });
  it('[3.1.1 MQTT-3.1.2-18] [3.1.1 MQTT-3.1.2-20] refuses fields that no flag announces', () => {
    expect(judge(connect4(2, 'c', 'user'), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
    expect(judge(connect4(0x82, 'c', 'user', 'pw'), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
  });
  it('[3.1.1 MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-21] refuses flags without their fields', () => {
    expect(judge(connect4(0x82, 'c'), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
    expect(judge(connect4(0xc2, 'c', 'user'), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
  });
  it('[3.1.1 MQTT-3.1.2-22] refuses a password without a user name', () => {
    expect(judge(connect4(0x42, 'c', 'pw'), undefined)).toBe('0x81 3.1.1 MQTT-3.1.2-22 none');
  });
  it('[3.1.1 MQTT-3.1.3-1] reads the payload in its fixed order', () => {
    expect(judge(connect4(0xf6, 'id', 'will', 'gone', 'user', 'pw'), undefined)).toMatchObject({
      ...{ version: 4, clientId: 'id', userName: 'user', clean: true },
    });
  });
  it('[3.1.1 MQTT-3.1.3-3] refuses a CONNECT without a client identifier', () => {
    expect(judge(connect4(2), undefined)).toBe('0x81 3.1.1 MQTT-4.8.0-1 none');
  });
  it('[3.1.1 MQTT-3.1.3-10] refuses a Will Topic that is not UTF-8', () => {
    expect(judge(connect4(6, 'c', [0, 1, 0xff], ''), undefined)).toBe('0x81 3.1.1 MQTT-3.1.3-10 none');
  });
  it('[3.1.1 MQTT-3.1.3-11] refuses a user name that is not UTF-8', () => {
    expect(judge(connect4(0x82, 'c', [0, 1, 0xff]), undefined)).toBe('0x81 3.1.1 MQTT-3.1.3-11 none');
  });
});

describe('PUBLISH, SUBSCRIBE, UNSUBSCRIBE', () => {
  it('[3.1.1 MQTT-3.3.1-2] refuses DUP with QoS 0', () => {
    expect(judge(frame(0x38, 'a'), 4)).toBe('0x81 3.1.1 MQTT-3.3.1-2 none');
  });
  it('[3.1.1 MQTT-3.3.1-4] refuses QoS 3', () => {
    expect(judge(frame(0x36, 'a', 0, 1), 4)).toBe('0x81 3.1.1 MQTT-3.3.1-4 none');
  });
  it('[3.1.1 MQTT-3.3.2-1] refuses a topic name that is not UTF-8', () => {
    expect(judge(frame(0x30, [0, 1, 0xff]), 4)).toBe('0x81 3.1.1 MQTT-3.3.2-1 none');
  });
  it('[3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1] refuses wildcards in a topic name', () => {
    expect(judge(frame(0x30, 'a/#'), 4)).toBe('0x90 3.1.1 MQTT-3.3.2-2 none');
  });
  it('[3.1.1 MQTT-4.7.3-1] refuses empty names and filters', () => {
    expect(judge(frame(0x30, ''), 4)).toBe('0x90 3.1.1 MQTT-4.7.3-1 none');
    expect(judge(frame(0x82, 0, 1, '', 0), 4)).toBe('0x8f 3.1.1 MQTT-4.7.3-1 none');
  });
  it('[3.1.1 MQTT-4.7.1-2] refuses # anywhere but alone in the last level', () => {
    expect(judge(frame(0x82, 0, 1, 'a#', 0), 4)).toBe('0x8f 3.1.1 MQTT-4.7.1-2 none');
  });
  it('[3.1.1 MQTT-4.7.1-3] refuses + that does not fill its level', () => {
    expect(judge(frame(0x82, 0, 1, 'a+', 0), 4)).toBe('0x8f 3.1.1 MQTT-4.7.1-3 none');
  });
  it('[3.1.1 MQTT-3.6.1-1] [3.1.1 MQTT-3.8.1-1] [3.1.1 MQTT-3.10.1-1] refuses other flags than 0010', () => {
    expect(judge(frame(0x60, 0, 1), 4)).toBe('0x81 3.1.1 MQTT-3.6.1-1 none');
    expect(judge(frame(0x8a, 0, 1, 'a', 0), 4)).toBe('0x81 3.1.1 MQTT-3.8.1-1 none');
    expect(judge(frame(0xa3, 0, 1, 'a'), 4)).toBe('0x81 3.1.1 MQTT-3.10.1-1 none');
  });
  it('[3.1.1 MQTT-3.8.3-1] [3.1.1 MQTT-3.10.3-1] refuses filters that are not UTF-8', () => {
    expect(judge(frame(0x82, 0, 1, [0, 1, 0xff], 0), 4)).toBe('0x81 3.1.1 MQTT-3.8.3-1 none');
    expect(judge(frame(0xa2, 0, 1, [0, 1, 0xff]), 4)).toBe('0x81 3.1.1 MQTT-3.10.3-1 none');
  });
  it('[3.1.1 MQTT-3.8.3-3] [3.1.1 MQTT-3.10.3-2] refuses packets without a filter', () => {
    expect(judge(frame(0x82, 0, 1), 4)).toBe('0x82 3.1.1 MQTT-3.8.3-3 none');
    expect(judge(frame(0xa2, 0, 1), 4)).toBe('0x82 3.1.1 MQTT-3.10.3-2 none');
  });
  it('[3.1.1 MQTT-3.8.3-4] refuses reserved bits and QoS 3 in a subscription', () => {
    for (const options of [0x04, 0x08, 0x30, 0x80, 0x03]) {
      expect(judge(frame(0x82, 0, 1, 'a', options), 4)).toMatch(/3\.1\.1 MQTT-3\.8\.3-4 none$/);
    }
  });
  it('[3.1.1 MQTT-3.14.1-1] refuses a DISCONNECT with flags', () => {
    expect(judge(frame(0xe2), 4)).toBe('0x81 3.1.1 MQTT-3.14.1-1 none');
  });
  it('[3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.9.3-2] checks what a server says', () => {
    expect(judgeServer(frame(0x20, 1, 5), 4)).toBe('0x82 3.1.1 MQTT-3.2.2-4 none');
    expect(judgeServer(frame(0x90, 0, 1, 3), 4)).toBe('0x82 3.1.1 MQTT-3.9.3-2 none');
    expect(judgeServer(frame(0x90, 0, 1, 0x80), 4)).toMatchObject({ reasonCodes: [0x80] });
  });
});

describe('MQTT 3.1', () => {
  it('connects by the name MQIsdp', () => {
    expect(judge(connect3(2, 'c'), undefined)).toMatchObject({ version: 3, clientId: 'c', bridge: false });
    expect(judge(frame(0x10, 'MQIsdp', 0x83, 2, 0, 0, 'c'), undefined)).toMatchObject({ bridge: true });
  });
  it('lets the remaining length overrule the user name and password flags', () => {
    expect(judge(connect3(0xc2, 'c'), undefined)).toMatchObject({ userName: undefined, password: undefined });
    expect(judge(connect3(0xc2, 'c', 'user'), undefined)).toMatchObject({
      userName: 'user',
      password: undefined,
    });
  });
  it('takes DUP in the packets that it repeats', () => {
    expect(judge(frame(0x6a, 0, 1), 3)).toEqual(ok(PacketType.Pubrel));
    expect(judge(frame(0x8a, 0, 1, 'a', 0), 3)).toEqual(ok(PacketType.Subscribe));
    expect(judge(frame(0xaa, 0, 1, 'a'), 3)).toEqual(ok(PacketType.Unsubscribe));
  });
});
