import { describe, expect, expectTypeOf, it } from 'vitest';
import { WireError } from '../../../../src/protocols/kafka/schema/fault.ts';
import {
  array,
  bytes,
  int8,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  structs,
  uuid,
} from '../../../../src/protocols/kafka/schema/fields.ts';
import { type In, message, type Out } from '../../../../src/protocols/kafka/schema/message.ts';
import { WireWriter } from '../../../../src/protocols/kafka/schema/writer.ts';

const writer = new WireWriter();

/** Version 1 is flexible, version 0 is not. */
const sample = message(
  'Sample',
  { versions: '0-1', flexible: '1+' },
  {
    name: string({ nullable: '1+' }),
    count: int64({ in: '1+', default: -1 }),
    topics: structs({ topic: string(), partitions: array(int32()) }),
    blob: bytes(),
    data: records({ nullable: '0+' }),
    note: string({ in: '1+', tag: 0 }),
    place: struct({ epoch: int32({ default: -1 }), more: int8() }, { in: '1+', tag: 2 }),
    cursor: struct({ at: int16() }, { in: '1+', nullable: '1+', default: null }),
  },
);

const full: In<typeof sample> = {
  name: 'n',
  count: 5,
  topics: [{ topic: 't', partitions: [1] }],
  blob: Uint8Array.of(7),
  data: Uint8Array.of(8, 9),
};

function hexOf(version: number, value: In<typeof sample>): string {
  sample.encode(version, value, writer);
  return Buffer.concat(writer.finish()).toString('hex');
}
const decode = (version: number, hex: string) => sample.decode(version, Buffer.from(hex, 'hex'));
const faultOf = (version: number, hex: string) => decode(version, hex).fault;

describe('a message', () => {
  it('has the types of its fields', () => {
    type Sample = Out<typeof sample>;
    expectTypeOf<Sample['name']>().toEqualTypeOf<string | null>();
    expectTypeOf<Sample['count']>().toEqualTypeOf<number>();
    expectTypeOf<Sample['topics'][number]['partitions']>().toEqualTypeOf<readonly number[]>();
    expectTypeOf<Sample['cursor']>().toEqualTypeOf<{ readonly at: number } | null>();
    expectTypeOf<In<typeof sample>['data']>().toEqualTypeOf<Uint8Array | readonly Uint8Array[] | null>();
  });

  it('is written as the protocol says, worked out by hand', () => {
    expect(hexOf(0, full)).toBe(
      '00016e 00000001 000174 00000001 00000001 00000001 07 00000002 0809'.replaceAll(' ', ''),
    );
    expect(hexOf(1, full)).toBe(
      '026e 0000000000000005 02 0274 02 00000001 00 0207 030809 ff 00'.replaceAll(' ', ''),
    );
  });

  it('has tags for what differs from its default, in the order of their numbers', () => {
    const tagged = { ...full, note: 'x', place: { epoch: 3, more: 4 } };
    expect(hexOf(1, tagged).endsWith('02 00 02 0278 02 06 00000003 04 00'.replaceAll(' ', ''))).toBe(true);
    expect(hexOf(1, { ...full, note: '', place: { epoch: -1, more: 0 } })).toBe(hexOf(1, full));
  });

  it('keeps a tagged field of any length', () => {
    for (const length of [0, 1, 125, 126, 127, 128, 16_381, 16_382, 16_383, 16_384, 70_000]) {
      const note = 'x'.repeat(length);
      expect(decode(1, hexOf(1, { ...full, note })).value?.note).toBe(note);
    }
  });

  it('gives what the version lacks its default', () => {
    expect(decode(0, hexOf(0, full)).value).toEqual({
      ...full,
      count: -1,
      note: '',
      place: { epoch: -1, more: 0 },
      cursor: null,
    });
  });

  it('skips tags that it does not know, and takes lengths in more bytes than they need', () => {
    const known = hexOf(1, full);
    const unknown = `${known.slice(0, -2)}01638001${'00'.repeat(128)}`;
    expect(decode(1, unknown).value).toEqual(decode(1, known).value);
    expect(decode(1, `8280006e${known.slice(4)}`).value?.name).toBe('n');
  });

  it('ends where its fields end, whatever follows', () => {
    const hex = hexOf(1, full);
    expect(decode(1, `${hex}ffff`)).toMatchObject({ end: hex.length / 2 });
  });

  it('gives views of the input, not copies', () => {
    const input = Buffer.from(hexOf(0, full), 'hex');
    const { value } = sample.decode(0, input);
    input.fill(1, input.length - 2);
    expect(value?.data).toEqual(Uint8Array.of(1, 1));
  });

  it('refuses versions that it does not have', () => {
    expect(() => sample.decode(2, Buffer.alloc(9))).toThrow(RangeError);
    expect(() => sample.encode(-1, full, writer)).toThrow(RangeError);
  });
});

describe('hostile bytes', () => {
  it('are refused with the reason and the field', () => {
    expect(faultOf(0, 'ffff')).toEqual({ reason: 'null', path: 'name' });
    expect(faultOf(0, '8000')).toEqual({ reason: 'length', path: 'name' });
    expect(faultOf(0, '0002c328')).toEqual({ reason: 'utf8', path: 'name' });
    expect(faultOf(0, '00016e 00000001 0005 00000000'.replaceAll(' ', ''))).toEqual({
      reason: 'truncated',
      path: 'topics[0].topic',
    });
    expect(faultOf(1, '00 7fffffffffffffff'.replaceAll(' ', ''))).toEqual({
      reason: 'number-range',
      path: 'count',
    });
    expect(faultOf(1, 'ffffffff7f')).toEqual({ reason: 'length', path: 'name' });
    expect(faultOf(1, 'ffffffffff01')).toEqual({ reason: 'length', path: 'name' });
    const head = hexOf(1, full).slice(0, -2);
    expect(faultOf(1, `${head}0100030178ff`)).toEqual({ reason: 'tag-size', path: 'note' });
    expect(faultOf(1, `${head}0100ff7f`)).toEqual({ reason: 'truncated', path: 'note' });
  });

  it('cannot promise more elements than they have bytes', () => {
    for (const count of ['00000100', '7fffffff']) {
      expect(faultOf(0, `00016e${count}`)).toEqual({ reason: 'truncated', path: 'topics' });
    }
    expect(faultOf(0, '00016e80000000')).toEqual({ reason: 'length', path: 'topics' });
  });

  it('cannot make more objects than real requests have', () => {
    const nested = message(
      'Nested',
      { versions: '0', flexible: '0+' },
      {
        rows: structs({ cells: array(int8()) }),
      },
    );
    const row = Buffer.concat([Buffer.from('e907', 'hex'), Buffer.alloc(1000), Buffer.from([0])]);
    const bomb = Buffer.concat([Buffer.from('e907', 'hex'), ...Array<Buffer>(1000).fill(row)]);
    expect(nested.decode(0, bomb).fault).toMatchObject({ reason: 'too-many-elements' });
  });

  it('may have U+FFFD, which is not what is left of broken UTF-8', () => {
    expect(decode(0, hexOf(0, { ...full, name: 'a\ufffdb' })).value?.name).toBe('a\ufffdb');
  });
});

describe('an encoder', () => {
  const ids = message(
    'Ids',
    { versions: '0', flexible: 'none' },
    {
      ids: array(uuid()),
      note: string({ in: '0+' }),
      at: int64({ in: '0+' }),
    },
  );
  const id = Buffer.from('00112233445566778899aabbccddeeff', 'hex').toString('base64url');
  const write = (value: In<typeof ids>): Uint8Array[] => {
    ids.encode(0, value, writer);
    return writer.finish();
  };

  it('says which value it cannot carry', () => {
    const refused = (value: In<typeof ids>): unknown => {
      try {
        write(value);
        return undefined;
      } catch (error) {
        writer.discard();
        return error;
      }
    };
    expect(refused({ ids: [id, 'short'] })).toMatchObject({ reason: 'value', path: 'ids[1]' });
    expect(refused({ ids: [], note: 'x'.repeat(32_768) })).toMatchObject({ reason: 'value', path: 'note' });
    expect(refused({ ids: [], at: 0.5 })).toMatchObject({ reason: 'number-range', path: 'at' });
    expect(refused({ ids: [], at: 2 ** 53 })).toBeInstanceOf(WireError);
  });

  it('passes large records on as pieces and copies small ones', () => {
    const large = new Uint8Array(5000).fill(1);
    const small = new Uint8Array(10).fill(2);
    sample.encode(1, { ...full, data: [large, small, large] }, writer);
    const pieces = writer.finish();
    expect(pieces.filter((piece) => piece === large)).toHaveLength(2);
    expect(pieces).toHaveLength(5);
    const { value } = sample.decode(1, Buffer.concat(pieces));
    expect(value?.data?.length).toBe(10_010);
  });

  it('never touches what it has given out', () => {
    const first = write({ ids: Array<string>(1000).fill(id) });
    const before = Buffer.concat(first).toString('hex');
    for (let i = 0; i < 50; i++) write({ ids: Array<string>(1000).fill('A'.repeat(22)) });
    expect(Buffer.concat(first).toString('hex')).toBe(before);
  });
});
