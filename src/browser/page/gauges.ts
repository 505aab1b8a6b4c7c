/** The gauges: what the broker says of itself in `$SYS`, and a curve of messages per second. */
import type { IncomingMessage } from '../client.ts';
import { byId, setText } from './dom.ts';
import { count, duration, payloadText } from './format.ts';

const POINTS = 60;

interface Sample {
  readonly value: number;
  readonly atMs: number;
}

export interface Gauges {
  update(message: IncomingMessage): void;
  /** What the page itself heard in the last second, for the curve. */
  heard(messagesPerSecond: number): void;
}

export function createGauges(): Gauges {
  const samples = new Map<string, Sample>();
  const curve = byId('curve', HTMLElement);
  const history: number[] = [];

  const show = (id: string, text: string): void => setText(byId(id, HTMLElement), text);

  /** A rate from two readings of a counter; a restarted broker counts from zero again. */
  function rate(name: string, value: number): number | undefined {
    const atMs = performance.now();
    const before = samples.get(name);
    samples.set(name, { value, atMs });
    if (before === undefined || value < before.value || atMs - before.atMs < 100) return undefined;
    return ((value - before.value) * 1000) / (atMs - before.atMs);
  }

  const handlers: Record<string, (value: number, text: string) => void> = {
    'clients/connected': (value) => show('g-connections', count(value)),
    'publish/messages/received': (value) => {
      const perSecond = rate('in', value);
      if (perSecond !== undefined) show('g-in', count(perSecond));
    },
    'publish/messages/sent': (value) => {
      const perSecond = rate('out', value);
      if (perSecond !== undefined) show('g-out', count(perSecond));
    },
    'subscriptions/count': (value) => show('g-subscriptions', count(value)),
    'retained messages/count': (value) => show('g-retained', count(value)),
    uptime: (value) => show('g-uptime', duration(value)),
    version: (_value, text) => show('version', text),
  };

  function update(message: IncomingMessage): void {
    const text = payloadText(message.payload);
    handlers[message.topic.replace(/^\$SYS\/broker\//, '')]?.(Number.parseFloat(text), text);
  }

  function heard(messagesPerSecond: number): void {
    history.push(messagesPerSecond);
    if (history.length > POINTS) history.shift();
    const top = Math.max(1, ...history);
    const points = history.map((value, index) => {
      const x = ((POINTS - history.length + index) * 100) / (POINTS - 1);
      return `${x.toFixed(2)},${(29 - (27 * value) / top).toFixed(2)}`;
    });
    curve.querySelector('polyline')?.setAttribute('points', points.join(' '));
    show('g-heard', count(messagesPerSecond));
  }

  return { update, heard };
}
