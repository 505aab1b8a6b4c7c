import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CursorResult, Cursors, decodeCursorEntry, encodeCursorEntry } from '../../src/kernel/cursor.ts';

const limits = { maxCursors: 4, maxGroups: 3, maxMetadataBytes: 4 };
const none = new Uint8Array(0);
const seen = (cursors: Cursors): unknown =>
  [...cursors.groupNames()]
    .sort()
    .map((group) => [group, cursors.epochOf(group), [...cursors.cursorsOf(group)].sort()]);

describe('cursors', () => {
  it('do what a naive table does, and their journal and snapshots rebuild them', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.record({
      op: fc.constantFrom('fence', 'commit', 'commit', 'commit', 'forget', 'forget-group'),
      group: name,
      log: name,
      epoch: fc.nat(3),
      offset: fc.nat(100),
      metadata: fc.uint8Array({ maxLength: 5 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cursors = new Cursors(limits);
        const replica = new Cursors(limits);
        const naive: Record<string, { epoch: number; logs: Record<string, number> }> = {};
        for (const { op, group, log, epoch, offset, metadata } of steps) {
          const known = naive[group];
          const total = Object.values(naive).reduce((sum, { logs }) => sum + Object.keys(logs).length, 0);
          const noRoomForGroup = known === undefined && Object.keys(naive).length >= limits.maxGroups;
          let result: CursorResult;
          let expected: string | undefined;
          if (op === 'fence') {
            result = cursors.fence(group, epoch);
            if (epoch <= (known?.epoch ?? 0)) expected = 'fenced';
            else if (noRoomForGroup) expected = 'full';
            else naive[group] = { epoch, logs: known?.logs ?? {} };
          } else if (op === 'commit') {
            result = cursors.commit(group, epoch, log, offset, metadata);
            if (epoch < (known?.epoch ?? 0)) expected = 'fenced';
            else if (metadata.length > limits.maxMetadataBytes) expected = 'metadata-too-large';
            else if (noRoomForGroup || (known?.logs[log] === undefined && total >= limits.maxCursors))
              expected = 'full';
            else naive[group] = { epoch, logs: { ...known?.logs, [log]: offset } };
          } else if (op === 'forget') {
            result = cursors.forget(group, log);
            if (known?.logs[log] === undefined) expected = 'unknown';
            else delete known.logs[log];
          } else {
            result = cursors.forgetGroup(group);
            if (known === undefined) expected = 'unknown';
            delete naive[group];
          }
          expect('refused' in result ? result.refused : undefined).toBe(expected);
          if ('entry' in result) {
            const read = decodeCursorEntry(encodeCursorEntry(result.entry));
            expect(read).toEqual(result.entry);
            if (read !== undefined) replica.apply(read);
          }
          for (const [at, { epoch: now, logs }] of Object.entries(naive)) {
            expect(cursors.epochOf(at)).toBe(now);
            for (const each of 'abcd') expect(cursors.get(at, each)?.offset).toBe(logs[each]);
          }
        }
        expect(seen(replica)).toEqual(seen(cursors));
        const restored = new Cursors(limits);
        expect(restored.restore(cursors.snapshot())).toBe(true);
        expect(seen(restored)).toEqual(seen(cursors));
        expect(restored.size).toBe(cursors.size);
      }),
      { numRuns: 200 },
    );
  });

  it('let nobody commit whose epoch is past, even from the journal', () => {
    const cursors = new Cursors(limits);
    cursors.fence('g', 7);
    expect(cursors.commit('g', 6, 'log', 1, none)).toEqual({ refused: 'fenced' });
    cursors.apply({ kind: 'commit', group: 'g', epoch: 6, log: 'log', offset: 1, metadata: none });
    expect(cursors.get('g', 'log')).toBeUndefined();
  });

  it('refuse bytes that are cut or bent', () => {
    const cursors = new Cursors(limits);
    cursors.commit('group', 1, 'log', 300, Uint8Array.of(1, 2));
    const snapshot = cursors.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      const other = new Cursors(limits);
      expect(other.restore(snapshot.slice(0, length))).toBe(false);
      expect(other.size).toBe(0);
    }
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeCursorEntry(Uint8Array.of(1, ...bytes))));
  });
});
