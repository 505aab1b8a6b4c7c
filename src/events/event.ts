/** What an event is, and the kinds of them. */

/** They stay; more may come. */
export const EVENT_KINDS = [
  'client.connected',
  'client.disconnected',
  'client.refused',
  'client.subscribed',
  'client.unsubscribed',
  'session.taken-over',
  'session.expired',
  'ban.set',
  'alarm.raised',
  'alarm.cleared',
  'config.reloaded',
  'journal.failed',
  'administration',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

/** What is known of it. Never what was shown to be let in, never what messages say. */
export interface EventFacts {
  readonly protocol?: string | undefined;
  readonly listener?: string | undefined;
  readonly address?: string | undefined;
  readonly clientId?: string | null | undefined;
  readonly user?: string | undefined;
  /** Whose client it is; '' is nobody's. */
  readonly tenant?: string | undefined;
  /** What it was about where that is no client: a filter, an alarm, an operation. */
  readonly subject?: string | undefined;
  /** Why, or what came of it. */
  readonly reason?: string | undefined;
}

export interface Event {
  /** Of all kinds together: later ones have higher numbers. They start again when the process does. */
  readonly sequence: number;
  readonly atMs: number;
  readonly kind: EventKind;
  readonly protocol: string | null;
  readonly listener: string | null;
  readonly address: string | null;
  readonly clientId: string | null;
  readonly user: string | null;
  readonly tenant: string | null;
  readonly subject: string | null;
  readonly reason: string | null;
}

/** All that are there must fit. */
export interface EventFilter {
  readonly kinds?: readonly EventKind[] | undefined;
  readonly clientId?: string | undefined;
  readonly user?: string | undefined;
  readonly tenant?: string | undefined;
}

export const fitsEvent = (event: Event, { clientId, user, tenant }: EventFilter): boolean =>
  (clientId === undefined || event.clientId === clientId) &&
  (user === undefined || event.user === user) &&
  (tenant === undefined || event.tenant === tenant);
