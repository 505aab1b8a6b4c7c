/** Which pages of the sessions table are out of date. */
import type { Session } from '../session.ts';
import { groupOf, KIND_SESSIONS, keyOf } from './page-keys.ts';

export interface DirtyPages {
  /** Costs a flag: which page it is on is not looked at before pages are taken. */
  touch(session: Session): void;
  touchKey(kind: number, number: number): void;
  take(max: number): Uint8Array[];
}

export function createDirtyPages(): DirtyPages {
  let sessions: Session[] = [];
  const keys = new Map<string, Uint8Array>();

  function touchKey(kind: number, number: number): void {
    const key = keyOf(kind, number);
    keys.set(Buffer.from(key).toString('latin1'), key);
  }

  /** Of the sessions that were touched. */
  function markGroups(): void {
    const groups = new Set<number>();
    for (const { serial, durable } of sessions) {
      if (durable === undefined) continue;
      durable.isDirty = false;
      groups.add(groupOf(serial));
    }
    sessions = [];
    for (const group of groups) touchKey(KIND_SESSIONS, group);
  }

  return {
    touch(session) {
      const { durable } = session;
      if (durable === undefined || durable.isDirty) return;
      durable.isDirty = true;
      sessions.push(session);
    },
    touchKey,
    take(max) {
      markGroups();
      const taken: Uint8Array[] = [];
      for (const [name, key] of keys) {
        if (taken.length >= max) break;
        keys.delete(name);
        taken.push(key);
      }
      return taken;
    },
  };
}
