import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/protocols/mqtt/connection.ts';
import type { Mqtt } from '../../../src/protocols/mqtt/context.ts';
import { owe, pay, tellDataPlane } from '../../../src/protocols/mqtt/owed.ts';
import { type Owed, OwedQueue } from '../../../src/protocols/mqtt/owed-queue.ts';

/** What a connection is sent, and what the data plane was told of it. */
function connected() {
  const sent: [type: number, packetId: number, reason: number][] = [];
  const told: boolean[] = [];
  const dataPlane = {
    acknowledge: (_slot: number, type: number, packetId: number, reason: number) =>
      void sent.push([type, packetId, reason]),
    setOwes: (_slot: number, owes: boolean) => void told.push(owes),
  };
  const mqtt = { dataPlane, turn: { wake() {} } } as unknown as Mqtt;
  const connection = {
    slot: 1,
    owed: new OwedQueue(),
    owes: false,
    isGone: false,
  } as unknown as Connection & {
    isGone: boolean;
  };
  return { mqtt, connection, sent, told };
}

const types = [4, 5, 7] as const;

describe('acknowledgements that are owed', () => {
  it('leave in the order of their messages, whatever the order in which they may', () => {
    const step = fc.record({
      pays: fc.boolean(),
      at: fc.nat(20),
      reason: fc.constantFrom(0, 16, 135, undefined),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { mqtt, connection, sent, told } = connected();
        const open: Owed[] = [];
        const model: { type: number; packetId: number; reason: number | undefined; isPaid: boolean }[] = [];
        let next = 1;
        const expectSent = (): void => {
          const first = model.findIndex(({ isPaid }) => !isPaid);
          const paid = first === -1 ? model : model.slice(0, first);
          expect(sent).toEqual(
            paid.flatMap(({ type, packetId, reason }) =>
              reason === undefined ? [] : [[type, packetId, reason]],
            ),
          );
        };
        for (const { pays, at, reason } of steps) {
          if (pays && open.length > 0) {
            const [one] = open.splice(at % open.length, 1);
            if (one === undefined) continue;
            const entry = model[one.packetId - 1];
            if (entry === undefined) throw new Error('nothing like it');
            entry.isPaid = true;
            entry.reason = reason;
            pay(mqtt, connection, one, reason);
          } else {
            const type = types[at % 3] ?? 4;
            model.push({ type, packetId: next, reason: undefined, isPaid: false });
            open.push(owe(connection, type, next++));
          }
          tellDataPlane(mqtt, connection);
          expectSent();
          // The data plane holds its own back exactly as long as one is owed, and is told when that changes.
          const isOwed = connection.owed.length > 0;
          expect(told.at(-1) ?? false).toBe(isOwed);
          expect(told.every((each, i) => i === 0 || each !== told[i - 1])).toBe(true);
        }
        for (const one of open.splice(0).reverse()) {
          const entry = model[one.packetId - 1];
          if (entry === undefined) throw new Error('nothing like it');
          entry.isPaid = true;
          entry.reason = 0;
          pay(mqtt, connection, one, 0);
        }
        expectSent();
        expect(connection.owed.length).toBe(0);
      }),
    );
  });

  it('are not sent to a connection that is gone, and are forgotten all the same', () => {
    const { mqtt, connection, sent, told } = connected();
    const first = owe(connection, 4, 1);
    const second = owe(connection, 5, 2);
    tellDataPlane(mqtt, connection);
    Object.assign(connection, { isGone: true });
    pay(mqtt, connection, second, 0);
    pay(mqtt, connection, first, 0);
    expect([sent, told, connection.owed.length]).toEqual([[], [true], 0]);
  });
});
