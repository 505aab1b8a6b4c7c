/** What has happened on the node, and what of it comes from administration. */
import type { EventsView } from '../admin/operations/events.ts';
import type { Event } from '../events/event.ts';
import type { Events } from '../events/events.ts';
import type { OpenSecurity } from '../security/open-security.ts';
import { invalidCursor } from './pages.ts';

/** Of one look at the rings. */
const READ_AT_ONCE = 100;

/** `run`: different each time the process starts, so that numbers of a former one are not taken for those of this one. */
export function eventsView(events: Events, run: string): EventsView {
  const placeOf = (text: string): number | undefined => {
    const [name, sequence = ''] = text.split('.');
    return name === run && /^\d{1,15}$/.test(sequence) ? Number(sequence) : undefined;
  };
  return {
    page(filter, { limit, after }) {
      const below = after === undefined ? undefined : placeOf(after);
      if (after !== undefined && below === undefined) throw invalidCursor();
      const page = events.page(filter, { limit, ...(below === undefined ? {} : { below }) });
      return { items: page.events, ...(page.next === undefined ? {} : { next: `${run}.${page.next}` }) };
    },
    follow(filter, { after, last }) {
      const behind = after === undefined ? behindLast(events, filter, last) : (placeOf(after) ?? 0);
      const reader = events.reader(filter, behind);
      let read: readonly Event[] = [];
      let next = 0;
      let stop = (): void => {};
      return {
        start(ready) {
          stop = events.onEvent(ready);
        },
        take() {
          while (next >= read.length && reader.hasMore) {
            read = reader.read(READ_AT_ONCE);
            next = 0;
          }
          const event = read[next++];
          return event && { id: `${run}.${event.sequence}`, data: event };
        },
        takeDropped: reader.takeMissed,
        close: () => stop(),
      };
    },
  };
}

function behindLast(events: Events, filter: Parameters<Events['page']>[0], last: number): number {
  if (last === 0) return Number.POSITIVE_INFINITY;
  const page = events.page(filter, { limit: last });
  const oldest = page.events.at(-1);
  return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sequence - 1;
}

/** What administrators do, by whatever protocol, and what is banned. Returns how to stop it. */
export function followSecurity(
  { note }: Pick<Events, 'note'>,
  { audit, guard }: Pick<OpenSecurity, 'audit' | 'guard'>,
): () => void {
  const stopAudit = audit.onEntry(({ operation, user, via, remoteAddress, result, reason, input }) => {
    if (operation === 'config.changed') {
      const { key, effect } = input as { readonly key?: string; readonly effect?: string };
      note('config.reloaded', { subject: key, reason: effect });
      return;
    }
    note('administration', {
      protocol: via,
      address: remoteAddress,
      user,
      subject: operation,
      reason: reason === undefined ? result : `${result}: ${reason}`,
    });
  });
  const stopBans = guard.onBan(({ kind, value, by, reason }) => {
    note('ban.set', { user: by, subject: `${kind} ${value}`, reason });
  });
  return () => {
    stopAudit();
    stopBans();
  };
}
