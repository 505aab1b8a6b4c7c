import { describe, expect, it } from 'vitest';
import { createKnownPasswords } from '../../../src/security/passwords/known.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const parts = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));

describe('what is known of passwords', () => {
  function asking(ttlMs = 1000) {
    const clock = createManualClock();
    const known = createKnownPasswords<string>({ clock, ttlMs, isKept: (found) => found === 'right' });
    let asked = 0;
    const ask = (answer: string, ...texts: string[]): Promise<string> =>
      known.ask(parts(...texts), async () => {
        asked++;
        await Promise.resolve();
        return answer;
      });
    return { clock, known, ask, asked: () => asked };
  }

  it('is remembered for its time when it was right, and asked again when it was not', async () => {
    const { clock, ask, asked } = asking();
    await ask('right', 'ann', 'x');
    expect(await ask('wrong', 'ann', 'x')).toBe('right');
    expect(asked()).toBe(1);
    await clock.advance(1000);
    expect(await ask('wrong', 'ann', 'x')).toBe('wrong');
    expect(await ask('right', 'ann', 'x')).toBe('right');
    expect(asked()).toBe(3);
  });

  it('is one question for all who ask at once, and never that of somebody else', async () => {
    const { ask, asked } = asking();
    const answers = await Promise.all(['ann', 'ann', 'ann'].map((name) => ask('right', name, 'x')));
    expect(answers).toEqual(['right', 'right', 'right']);
    expect(asked()).toBe(1);
    // The parts are told apart, wherever they meet.
    await ask('right', 'annx', '');
    await ask('right', 'an', 'nx');
    expect(asked()).toBe(3);
  });

  it('is forgotten on demand, also what is being asked meanwhile, and not remembered after a failure', async () => {
    const { known, ask, asked } = asking();
    const asking1 = ask('right', 'ann', 'x');
    known.clear();
    await asking1;
    await ask('right', 'ann', 'x');
    expect(asked()).toBe(2);
    await expect(known.ask(parts('bob'), () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await ask('right', 'bob')).toBe('right');
    const none = asking(0);
    await none.ask('right', 'ann');
    await none.ask('right', 'ann');
    expect(none.asked()).toBe(2);
  });
});
