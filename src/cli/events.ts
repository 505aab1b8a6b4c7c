/** `robustmq events`: what has happened on the node lately, and what happens. */

import type { EventView } from '../admin/operations/events.ts';
import { OPERATIONS } from '../admin/operations.ts';
import { printable, printList, time } from './admin-output.ts';
import { formOf, withAdmin } from './admin-target.ts';
import { ExitCode } from './exit-codes.ts';
import { type FollowOptions, follow } from './follow.ts';
import type { Io } from './io.ts';

export interface EventsOptions extends FollowOptions {
  readonly follow?: boolean;
  readonly kind: readonly string[];
  readonly client?: string;
  readonly user?: string;
  readonly tenant?: string;
  readonly last: number;
}

const COLUMNS = ['atMs', 'kind', 'protocol', 'clientId', 'user', 'tenant', 'address', 'subject', 'reason'];
const MAX_PAGE = 1000;

export async function events(options: EventsOptions, io: Io): Promise<number> {
  const { kind, client, user, tenant, last } = options;
  const conditions = {
    ...(kind.length === 0 ? {} : { kinds: kind.join(',') }),
    ...(client === undefined ? {} : { client }),
    ...(user === undefined ? {} : { user }),
    ...(tenant === undefined ? {} : { tenant }),
  };
  if (options.follow === true) {
    return follow(options, io, {
      operation: OPERATIONS.eventsFollow,
      input: { ...conditions, last: Math.min(last, MAX_PAGE) },
      line,
      things: 'events',
    });
  }
  return withAdmin(options, io, async (admin) => {
    const found: EventView[] = [];
    let cursor: string | undefined;
    while (found.length < last) {
      const page = await admin.call(OPERATIONS.eventsList, {
        ...conditions,
        limit: Math.min(MAX_PAGE, last - found.length),
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === undefined) break;
    }
    // The newest at the end, where people look.
    await printList(found.toReversed(), COLUMNS, formOf(options), io);
    return ExitCode.Ok;
  });
}

function line({ atMs, kind, ...rest }: EventView): string {
  const parts = Object.entries(rest).flatMap(([name, value]) =>
    name === 'sequence' || value === null ? [] : [`${name}=${shown(String(value))}`],
  );
  return `${[time(atMs), kind, ...parts].join(' ')}\n`;
}

const shown = (text: string): string =>
  /^[^\s"=]+$/.test(text) ? printable(text) : JSON.stringify(printable(text));
