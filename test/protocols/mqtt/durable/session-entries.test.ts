import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../../src/kernel/binary.ts';
import { createMessageStore } from '../../../../src/kernel/message-store/message-store.ts';
import { createRouter } from '../../../../src/kernel/router.ts';
import { createDeliveryOptions } from '../../../../src/protocols/mqtt/durable/delivery-options.ts';
import { EntryWriter } from '../../../../src/protocols/mqtt/durable/entry-writer.ts';
import {
  encodeEntry,
  readName,
  readSet,
  readSigned,
  readWill,
  SessionEntry,
} from '../../../../src/protocols/mqtt/durable/session-entries.ts';
import { createSessionsTable } from '../../../../src/protocols/mqtt/durable/sessions-table.ts';
import type { PendingWill } from '../../../../src/protocols/mqtt/pending-will.ts';
import { createSessionRegistry } from '../../../../src/protocols/mqtt/session-registry.ts';

const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 40 });
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const group = fc.option(text, { nil: undefined });
const will: fc.Arbitrary<PendingWill> = fc.record({
  topic: bytes,
  payload: bytes,
  properties: bytes,
  qos: fc.constantFrom(0, 1, 2),
  retain: fc.boolean(),
  delaySeconds: fc.nat(0xffffffff),
  expirySeconds: fc.option(fc.nat(0xffffffff), { nil: undefined }),
});
const open = fc.record({
  serial: number,
  clientId: text,
  expirySeconds: fc.nat(0xffffffff),
  will: fc.option(will, { nil: undefined }),
});
const name = fc.record({ group, filter: bytes });
const run = fc.integer({ min: 1, max: 300 });
const deliveries = fc.array(fc.tuple(number, fc.nat(0xffffffff), number), { minLength: 1, maxLength: 30 });

/** Any entry, as bytes of its own. */
const entry: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    open.map((one) => encodeEntry.open(one).slice()),
    fc
      .tuple(number, number, fc.nat(0xffffffff), fc.boolean())
      .map((args) => encodeEntry.detach(...args).slice()),
    number.map((serial) => encodeEntry.end(serial).slice()),
    fc
      .tuple(number, name, fc.nat(255), fc.nat(268_435_455))
      .map((args) => encodeEntry.subscribe(...args).slice()),
    fc.tuple(number, name).map((args) => encodeEntry.unsubscribe(...args).slice()),
    fc.tuple(number, deliveries).map(([id, list]) => deliverEntry(id, list)),
    fc.tuple(number, run, deliveries).map(([id, count, list]) => deliverEntry(id, list, count)),
    fc.tuple(number, number, run).map((args) => encodeEntry.settleRun(...args).slice()),
    fc
      .tuple(
        fc.constantFrom('settle', 'sent', 'released', 'received', 'forgot', 'repeated' as const),
        number,
        number,
      )
      .map(([kind, serial, value]) => encodeEntry[kind](serial, value).slice()),
    number.map((serial) => encodeEntry.willGone(serial).slice()),
    fc
      .tuple(fc.nat(1000), fc.record({ subscriptionIds: bytes, group }))
      .map((args) => encodeEntry.defineSet(...args).slice()),
  )
  .map((each) => Uint8Array.from(each));

function deliverEntry(
  id: number,
  list: readonly (readonly [number, number, number])[],
  count?: number,
): Uint8Array {
  const sessions = list.map(([serial]) => ({ serial }));
  const column = (at: 1 | 2): number[] => list.map((each) => each[at]);
  if (count !== undefined) return encodeEntry.deliverRun(id, count, sessions, column(1), column(2)).slice();
  return encodeEntry.deliver(id, sessions, column(1), column(2)).slice();
}

function newTable() {
  const store = createMessageStore({ maxMessages: 1000, maxBytes: 1 << 20 });
  const sessions = createSessionRegistry(100);
  const options = createDeliveryOptions();
  return createSessionsTable({ sessions, router: createRouter(), store, options });
}

describe('entries of sessions', () => {
  it('say of a session, its will and a subscription what was written', () => {
    fc.assert(
      fc.property(open, number, name, fc.nat(255), (one, serial, named, bits) => {
        const opened = new ByteReader(encodeEntry.open(one).slice());
        expect(opened.u8()).toBe(SessionEntry.Open);
        expect({
          serial: opened.uint(),
          clientId: opened.text(),
          expirySeconds: opened.uint(),
          will: readWill(opened),
        }).toEqual(one);
        expect(opened.isComplete).toBe(true);

        const subscribed = new ByteReader(encodeEntry.subscribe(serial, named, bits, 7).slice());
        expect([subscribed.u8(), subscribed.uint()]).toEqual([SessionEntry.Subscribe, serial]);
        expect(readName(subscribed)).toEqual(named);
        expect([subscribed.u8(), subscribed.uint(), subscribed.isComplete]).toEqual([bits, 7, true]);
      }),
    );
  });

  it('say of each delivery its session, its options and its number, whatever their order', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 40),
        fc.array(fc.tuple(fc.nat(2 ** 50), fc.nat(0xffffffff), fc.nat(2 ** 50))),
        (id, list) => {
          const from = new ByteReader(deliverEntry(id, list));
          expect([from.u8(), from.uint(), from.count(3)]).toEqual([SessionEntry.Deliver, id, list.length]);
          let serial = 0;
          let seq = 0;
          for (const each of list) {
            serial += readSigned(from);
            const packed = from.uint();
            seq += readSigned(from);
            expect([serial, packed, seq]).toEqual(each);
          }
          expect(from.isComplete).toBe(true);
        },
      ),
    );
  });

  it('say of a set its identifiers and its group', () => {
    fc.assert(
      fc.property(fc.nat(), bytes, group, (index, subscriptionIds, key) => {
        const from = new ByteReader(encodeEntry.defineSet(index, { subscriptionIds, group: key }).slice());
        expect([from.u8(), from.uint()]).toEqual([SessionEntry.DefineSet, index]);
        expect(readSet(from)).toEqual({ subscriptionIds, group: key });
        expect(from.isComplete).toBe(true);
      }),
    );
  });

  it('that end early are damage, and never taken for others', () => {
    fc.assert(
      fc.property(entry, (whole) => {
        const table = newTable();
        const serial = new ByteReader(whole.subarray(1)).uint();
        table.apply(encodeEntry.open({ serial, clientId: 'c', expirySeconds: 1, will: undefined }), place(1));
        for (let length = 1; length < whole.length; length++) {
          expect(() => table.apply(whole.subarray(0, length), place(2))).toThrow(/damaged/);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('of any bytes are taken or refused with a reason, in bounded time', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }), (all) => {
        const table = newTable();
        table.apply(
          encodeEntry.open({ serial: 1, clientId: 'c', expirySeconds: 1, will: undefined }),
          place(0),
        );
        all.forEach((each, i) => {
          each[0] = (each[0] ?? 0) % 16;
          try {
            table.apply(each, place(i + 1));
          } catch (error) {
            expect(String(error)).toMatch(/damaged|does not know/);
          }
        });
      }),
      { numRuns: 150 },
    );
  });
});

const place = (position: number) => ({ position, offset: 0 });

describe('EntryWriter', () => {
  it('writes what the reader of binary forms reads', () => {
    const part = fc.oneof(
      fc.nat(255).map((value) => ({ kind: 'u8' as const, value })),
      fc.maxSafeNat().map((value) => ({ kind: 'uint' as const, value })),
      fc.integer({ min: -(2 ** 51), max: 2 ** 51 }).map((value) => ({ kind: 'int' as const, value })),
      fc.uint8Array({ maxLength: 6000 }).map((value) => ({ kind: 'bytes' as const, value })),
      text.map((value) => ({ kind: 'text' as const, value })),
    );
    const writer = new EntryWriter();
    fc.assert(
      fc.property(fc.nat(255), fc.array(part), (kind, parts) => {
        writer.begin(kind);
        for (const each of parts) {
          if (each.kind === 'bytes') writer.bytes(each.value);
          else if (each.kind === 'text') writer.text(each.value);
          else writer[each.kind](each.value);
        }
        const from = new ByteReader(writer.view());
        expect(from.u8()).toBe(kind);
        for (const each of parts) {
          const read = each.kind === 'int' ? readSigned(from) : from[each.kind]();
          expect(read).toEqual(each.value);
        }
        expect(from.isComplete).toBe(true);
      }),
    );
  });
});
