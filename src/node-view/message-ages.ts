/**
 * How old messages are, from their numbers: a look now and then at the number that the next message gets says which were there
 * by then. Nothing is kept for a message. Nobody is told an age that is too high; by how much it is too low is the time
 * between two looks, and for what is old a part of its age, because of older looks only some are kept.
 */

export interface MessageAges {
  /** A look: all messages with lower numbers are there. Numbers and times never go down. */
  note(nextId: number, nowMs: number): void;
  /** The time of the first look that was kept by which a message was there; undefined: it came after the last one. */
  thereAtMs(id: number): number | undefined;
}

/** At one a second, an age of a week is known to two hundredths. */
const MAX_LOOKS = 1024;

export function createMessageAges(maxLooks: number = MAX_LOOKS): MessageAges {
  const ids: number[] = [];
  const times: number[] = [];

  /** That one goes which widens the step around it least, for its age: what is old is known less exactly. Never the first. */
  function thin(nowMs: number): void {
    let which = 1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 1; i < times.length - 1; i++) {
      const stepMs = (times[i + 1] as number) - (times[i - 1] as number);
      const widens = stepMs / (nowMs - (times[i] as number));
      if (widens >= least) continue;
      least = widens;
      which = i;
    }
    ids.splice(which, 1);
    times.splice(which, 1);
  }

  return {
    note(nextId, nowMs) {
      if (ids.at(-1) === nextId) return;
      ids.push(nextId);
      times.push(nowMs);
      if (ids.length > maxLooks) thin(nowMs);
    },
    thereAtMs(id) {
      let low = 0;
      let high = ids.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((ids[middle] as number) <= id) low = middle + 1;
        else high = middle;
      }
      return times[low];
    },
  };
}
