/** A broker that ends again before its clients are back knows what the one before it had to assume. */
import { expect, test } from 'vitest';
import { P } from '../../support/wire.ts';
import { publisherOf, startDurable } from './broker.ts';

/** DUP of three messages of which one was surely sent, after so many crashes. */
async function dupAfter(crashes: number): Promise<boolean[]> {
  const broker = await startDurable();
  const receiver = await broker.connect({ clientId: 'receiver', properties: [[P.receiveMaximum, 1]] });
  await receiver.subscribe([{ filter: 't', qos: 1 }]);
  const publisher = await publisherOf(broker);
  for (const payload of ['a', 'b', 'c']) await publisher.publish({ topic: 't', payload, qos: 1 });
  await receiver.expect('publish');
  for (let left = crashes; left > 0; left--) await broker.restart('crash');
  const back = await broker.connect({ clientId: 'receiver' });
  return [await back.expect('publish'), await back.expect('publish'), await back.expect('publish')].map(
    ({ dup }) => dup,
  );
}

test('what may have been sent before a crash has DUP, however often the broker crashes until it is sent', async () => {
  expect(await dupAfter(1)).toEqual([true, true, true]);
  expect(await dupAfter(2)).toEqual([true, true, true]);
});
