/** Writes batch after batch until it is killed; prints the position of each that was acknowledged or checkpointed. */
import { kvKey } from '../../../src/storage/kv/kv-store.ts';
import { openMemoryStore } from '../../../src/storage/kv/memory.ts';
import { openRocksDbStore } from '../../../src/storage/kv/rocksdb.ts';

const [, , engine, folder = ''] = process.argv;
const store =
  engine === 'memory'
    ? await openMemoryStore({ folder, maxBytes: 1 << 28 })
    : await openRocksDbStore({ folder });

const STRIPES = [3, 4];
const bytesOf = (position: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(position);
  return bytes;
};
let position = store.applied().get(3) ?? 0n;
const write = async (): Promise<void> => {
  const mine = ++position;
  const ops = STRIPES.flatMap((stripe) => [
    { key: kvKey(stripe, 1, bytesOf(mine)), value: Buffer.alloc(Number(mine % 200n), 1) },
    { key: kvKey(stripe, 2, Buffer.from('last')), value: bytesOf(mine) },
  ]);
  await store.write(ops, new Map(STRIPES.map((stripe) => [stripe, mine])));
  if (engine === 'rocksdb') process.stdout.write(`${mine}\n`);
};

for (let round = 1; ; round++) {
  await Promise.all(Array.from({ length: 8 }, write));
  if (round % 5 === 0) {
    const checkpoint = store.checkpoint();
    // These are behind the moment of the checkpoint, and lost with the process in the memory engine.
    await Promise.all([write(), write()]);
    process.stdout.write(`${(await checkpoint).get(3)}\n`);
  }
}
