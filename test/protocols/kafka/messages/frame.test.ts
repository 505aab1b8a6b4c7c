import { describe, expect, it } from 'vitest';
import { Apis, apiByKey } from '../../../../src/protocols/kafka/messages/apis.ts';
import { ErrorCode, errorName, isRetriable } from '../../../../src/protocols/kafka/messages/errors.ts';
import {
  decodeRequestHeader,
  encodeRequest,
  encodeResponse,
  responseBodyAt,
} from '../../../../src/protocols/kafka/messages/frame.ts';
import { WireWriter } from '../../../../src/protocols/kafka/schema/writer.ts';
import { apis, versionsOf } from '../support/messages.ts';

const writer = new WireWriter();
const joined = (pieces: readonly Uint8Array[]): string => Buffer.concat(pieces).toString('hex');
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('request frames', () => {
  it('have a plain header, and a tag buffer behind it where the message is flexible', () => {
    const header = { correlationId: 7, clientId: 'ab' };
    expect(joined(encodeRequest(writer, Apis.apiVersions, 2, header, {}))).toBe(
      '0000000c001200020000000700026162',
    );
    const named = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
    expect(joined(encodeRequest(writer, Apis.apiVersions, 3, header, named))).toBe(
      '00000012001200030000000700026162000278023100',
    );
    expect(
      joined(
        encodeRequest(
          writer,
          Apis.saslHandshake,
          1,
          { correlationId: 7, clientId: null },
          { mechanism: 'P' },
        ),
      ),
    ).toBe('0000000d0011000100000007ffff000150');
  });

  it('are read up to where the message starts', () => {
    expect(decodeRequestHeader(hex('0012 0003 00000007 0002 6162 01 05 02 ffff 00'))).toEqual({
      header: { apiKey: 18, apiVersion: 3, correlationId: 7, clientId: 'ab', api: Apis.apiVersions, end: 17 },
    });
    expect(decodeRequestHeader(hex('0012 0002 00000007 ffff')).header).toMatchObject({
      clientId: null,
      end: 10,
    });
  });

  it('of APIs that we do not have are known by their header', () => {
    const { header } = decodeRequestHeader(hex('0004 0001 00000007 ffff'));
    expect(header).toMatchObject({ apiKey: 4, api: undefined, correlationId: 7 });
    expect(decodeRequestHeader(hex('0012 0063 00000007 ffff 00')).header).toMatchObject({ apiVersion: 99 });
  });

  it('that are no frames are faults', () => {
    for (const text of [
      '',
      '0012',
      '001200030000000700',
      '00120003000000070005 6162',
      '001200030000000780 00',
    ]) {
      expect(decodeRequestHeader(hex(text)).fault?.path).toBe('header');
    }
  });
});

describe('answers', () => {
  it('have a tag buffer where they are flexible, but for ApiVersions', () => {
    expect(joined(encodeResponse(writer, Apis.heartbeat, 3, 9, { errorCode: 27 }))).toBe(
      '0000000a 00000009 00000000 001b'.replaceAll(' ', ''),
    );
    expect(joined(encodeResponse(writer, Apis.heartbeat, 4, 9, { errorCode: 27 }))).toBe(
      '0000000c 00000009 00 00000000 001b 00'.replaceAll(' ', ''),
    );
    expect(joined(encodeResponse(writer, Apis.apiVersions, 3, 9, { errorCode: 0, apiKeys: [] }))).toBe(
      '0000000c 00000009 0000 01 00000000 00'.replaceAll(' ', ''),
    );
  });

  it('to ApiVersions say which versions there are', () => {
    const versions = apis.map(({ key, versions: { first, last } }) => ({
      apiKey: key,
      minVersion: first,
      maxVersion: last,
    }));
    const frame = encodeResponse(writer, Apis.apiVersions, 4, 1, {
      errorCode: 0,
      apiKeys: versions,
      finalizedFeaturesEpoch: 3,
    });
    const bytes = Buffer.concat(frame).subarray(4);
    const { value } = Apis.apiVersions.response.decode(4, bytes, responseBodyAt(Apis.apiVersions, 4, bytes));
    expect(value).toMatchObject({ apiKeys: versions, finalizedFeaturesEpoch: 3 });
  });

  it('that cannot be written leave nothing behind', () => {
    const broken = {
      errorCode: 0,
      protocolName: null,
      leader: 'x'.repeat(40_000),
      memberId: '',
      members: [],
    };
    expect(() => encodeResponse(writer, Apis.joinGroup, 0, 1, { generationId: 1, ...broken })).toThrow(
      'at protocolName',
    );
    expect(joined(encodeResponse(writer, Apis.heartbeat, 0, 9, { errorCode: 0 }))).toBe(
      '00000006000000090000',
    );
  });
});

describe('the table of APIs', () => {
  it('has one entry for each key, with a request and a response of the same versions', () => {
    expect(new Set(apis.map(({ key }) => key)).size).toBe(apis.length);
    for (const api of apis) {
      expect(apiByKey(api.key)).toBe(api);
      expect(api.response.versions).toEqual(api.request.versions);
      expect(api.request.name).toBe(`${api.name}Request`);
      expect(api.response.name).toBe(`${api.name}Response`);
      for (const version of versionsOf(api)) {
        expect(api.request.isFlexible(version)).toBe(api.response.isFlexible(version));
      }
    }
  });

  it('contains what older clients look for before they use a feature', () => {
    const wanted: readonly (readonly [key: number, ...versions: number[]])[] = [
      [0, 0, 2, 3, 7],
      [1, 4, 10],
      [2, 1],
      [8, 1, 2],
      [9, 1],
      [10, 0],
      [11, 0],
      [12, 0],
      [13, 0],
      [14, 0],
      [17, 0, 1],
      [18, 0],
      [22, 0],
      [36, 0, 1],
    ];
    for (const [key, ...versions] of wanted) {
      const api = apiByKey(key);
      expect(versions.filter((version) => api && versionsOf(api).includes(version))).toEqual(versions);
    }
  });
});

describe('error codes', () => {
  it('have the names of the protocol, and say whether to try again', () => {
    expect(errorName(ErrorCode.OFFSET_OUT_OF_RANGE)).toBe('OFFSET_OUT_OF_RANGE');
    expect(errorName(4711)).toBe('error 4711');
    expect([
      ErrorCode.NONE,
      ErrorCode.CORRUPT_MESSAGE,
      ErrorCode.INVALID_RECORD,
      ErrorCode.FENCED_MEMBER_EPOCH,
    ]).toEqual([0, 2, 87, 110]);
    expect(isRetriable(ErrorCode.NOT_COORDINATOR)).toBe(true);
    expect(isRetriable(ErrorCode.INVALID_PRODUCER_EPOCH)).toBe(false);
  });
});
