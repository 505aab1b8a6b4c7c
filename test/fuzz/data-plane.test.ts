/**
 * The WebAssembly data plane alone under mutated sessions, in both builds: no trap, nothing outside of what was
 * read, well-formed output, memory back at its start. ROBUSTMQ_FUZZ_INPUTS says how many (test:fuzz: many).
 */
import { afterEach, describe, expect, it } from 'vitest';
import { createRandom, seedOfRun } from '../support/random.ts';
import type { Version } from '../support/wire.ts';
import { FuzzHost, SLOTS } from './data-plane-host.ts';
import { cut, mutateSession } from './mutate.ts';
import { sessionOf } from './sessions.ts';

const INPUTS = Number(process.env.ROBUSTMQ_FUZZ_INPUTS ?? 20_000);
const SEED = seedOfRun(0x5eed);
const VERSIONS: readonly Version[] = [3, 4, 5, 5];
const INPUTS_PER_PLANE = 5000;
/** The two blocks from which output memory is being cut stay with their cursors. */
const CURSOR_BLOCKS = 2;
const TIMEOUT_MS = 60_000 + INPUTS * 2;

const buildBefore = process.env.ROBUSTMQ_WASM;
afterEach(() => {
  if (buildBefore === undefined) delete process.env.ROBUSTMQ_WASM;
  else process.env.ROBUSTMQ_WASM = buildBefore;
});

describe.each(['release', 'debug'])('data plane, %s build', (build) => {
  const inputs = build === 'release' ? INPUTS : Math.ceil(INPUTS / 4);

  it(`survives ${inputs} mutated sessions and gives all memory back (seed ${SEED}) (item 5)`, {
    timeout: TIMEOUT_MS,
  }, () => {
    process.env.ROBUSTMQ_WASM = build;
    let done = 0;
    for (let round = 0; done < inputs; round++) {
      const random = createRandom(SEED + round);
      const host = new FuzzHost(random, true);
      const before = host.plane.counters();
      for (let i = 0; i < INPUTS_PER_PLANE && done < inputs; i++, done++) {
        // A few slots live long and are what flows deliver to; their input is mutated as well.
        const index = random.below(SLOTS);
        const slot = host.slot(index);
        if (slot.state === 'closing') {
          host.turn();
          continue;
        }
        if (slot.state === 'free') host.open(index, random.pick(VERSIONS));
        const session = sessionOf(random, slot.version, `c${index}`, 1 + random.below(8));
        if (slot.state === 'established') session.shift();
        const bytes = random.oneIn(5) ? Buffer.concat(session) : mutateSession(session, random);
        for (const piece of cut(bytes, random)) {
          if (host.read(index, piece) === 'more') continue;
          host.close(index);
          break;
        }
        if (random.oneIn(20)) host.close(index);
        if (random.oneIn(3)) host.turn();
      }
      const after = host.closeAll();
      expect
        .soft(before.blocksFree - after.blocksFree, `blocks, seed ${SEED + round}`)
        .toBeLessThanOrEqual(CURSOR_BLOCKS);
      expect.soft(after.slabBytesUsed, `slabs, seed ${SEED + round}`).toBe(host.flowBytes());
      expect.soft(after.groups, `groups, seed ${SEED + round}`).toBe(0);
      if (round === 0) {
        // The run reached what it is about.
        expect(after.flowHits).toBeGreaterThan(100);
        expect(after.publishSent.every((count) => count > 0)).toBe(true);
      }
    }
  });
});

describe('cuts', () => {
  it('means the same however the bytes are cut (item 4)', { timeout: TIMEOUT_MS }, () => {
    const inputs = Math.ceil(INPUTS / 10);
    const random = createRandom(SEED ^ 0xc07);
    const whole = new FuzzHost(createRandom(1), false);
    const pieces = new FuzzHost(createRandom(1), false);
    for (let i = 0; i < inputs; i++) {
      const version = random.pick(VERSIONS);
      const session = sessionOf(random, version, 'c', 1 + random.below(6));
      const bytes = random.oneIn(4) ? Buffer.concat(session) : mutateSession(session, random);
      const run = (host: FuzzHost, parts: readonly Buffer[]): string[] => {
        host.log = [];
        host.open(0, version);
        for (const part of parts) if (host.read(0, part) === 'closed') break;
        while (host.plane.heldBytes(0) > 0 && host.slot(0).state === 'established') host.turn();
        const { log } = host;
        host.log = undefined;
        host.closeAll();
        return log;
      };
      expect(run(pieces, cut(bytes, random)), `input ${i}: ${bytes.toString('hex')}`).toEqual(
        run(whole, [bytes]),
      );
    }
  });
});
