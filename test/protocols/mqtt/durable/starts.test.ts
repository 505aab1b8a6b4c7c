import { describe, expect, it } from 'vitest';
import { ack, connect, P, publish, subscribe } from '../../../support/wire.ts';
import {
  configOf,
  emptyDisk,
  type Link,
  type MortalBroker,
  nodeTables,
  pagesOf,
  recover,
  startBroker,
} from './mortal-broker.ts';

/** A durable client with its subscriptions. */
async function subscriber(
  broker: MortalBroker,
  receiveMaximum: number,
  filters: readonly { readonly filter: string; readonly qos: number }[],
): Promise<Link> {
  const link = broker.connect();
  const properties = [
    [P.sessionExpiry, 1000],
    [P.receiveMaximum, receiveMaximum],
  ] as const;
  link.send(connect({ clientId: 'subscriber', clean: false, properties }));
  await broker.write();
  if (filters.length > 0) link.send(subscribe(5, 1, filters));
  await broker.write();
  return link;
}

async function publishAll(
  broker: MortalBroker,
  messages: readonly (readonly [string, 1 | 2])[],
): Promise<void> {
  const link = broker.connect();
  link.send(connect({ clientId: 'publisher' }));
  await broker.settle();
  for (const [i, [topic, qos]] of messages.entries()) {
    link.send(publish({ topic, payload: `${i}`, qos, packetId: i + 1 }));
  }
  for (let turn = 0; turn < 3; turn++) await broker.write();
}

describe('a start', () => {
  it('has the delivery sets of views that were written after they were defined', async () => {
    const config = await configOf({});
    const disk = emptyDisk();
    const broker = await startBroker(config, disk, 'journal');
    await broker.checkpoint(async () => {});
    const link = await subscriber(broker, 1, [{ filter: '$share/g/x', qos: 1 }]);
    await publishAll(broker, [
      ['x', 1],
      ['x', 1],
    ]);
    expect(link.inbox.filter(({ type }) => type === 'publish').length).toBe(1);
    await broker.checkpoint(async () => {});
    broker.kill();
    for (const from of ['views', 'journal'] as const) {
      const { tables, all } = nodeTables(config, broker.clock);
      recover(disk, all, from);
      const groups = [...tables.sessions.all()].map(({ durable }) =>
        tables.options.groupOf(durable?.queue.optionsAt(durable.queue.floor) ?? 0),
      );
      expect(groups, from).toEqual(['$share/g/x']);
      expect(pagesOf(tables.all), from).toEqual(pagesOf(broker.tables.all));
    }
  });

  it('ends what was released before, though an older delivery takes the whole window of the new connection', async () => {
    const config = await configOf({});
    const disk = emptyDisk();
    const first = await startBroker(config, disk, 'journal');
    const before = await subscriber(first, 10, [{ filter: 'x', qos: 2 }]);
    await publishAll(first, [
      ['x', 1],
      ['x', 2],
    ]);
    before.send(ack('pubrec', 2));
    await first.write();
    expect(before.inbox.map(({ type }) => type)).toEqual([
      'connack',
      'suback',
      'publish',
      'publish',
      'pubrel',
    ]);
    first.kill();

    const second = await startBroker(config, disk, 'journal');
    const after = await subscriber(second, 1, []);
    expect(after.inbox.map(({ type }) => type)).toEqual(['connack', 'pubrel']);
    after.send(ack('pubcomp', 2));
    await second.write();
    expect(after.inbox.at(-1)).toMatchObject({ type: 'publish', packetId: 1, dup: true, qos: 1 });
    after.send(ack('puback', 1));
    await second.write();
    expect(second.tables.store.count).toBe(0);
    const [session] = second.tables.sessions.all();
    expect([session?.durable?.queue.length, session?.durable?.released?.size]).toEqual([0, 0]);
    expect(second.defects).toEqual([]);
  });
});
