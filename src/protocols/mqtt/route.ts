/**
 * A message to everyone who subscribes to its topic. `separate`: one delivery per matching subscription, each with its
 * identifier. `merge`: one per session, with the highest QoS, all identifiers, RETAIN as published where any asks for
 * it, and No Local only where all have it.
 */
import type { Message } from '../../kernel/message.ts';
import type { Matches } from '../../kernel/router.ts';
import type { Mqtt } from './context.ts';
import { deliver } from './deliver.ts';
import { Outcome } from './outcome.ts';
import { Routed } from './routed.ts';
import { clientKeyOf, type Session } from './session.ts';
import { deliverShared } from './shared.ts';
import { grantedQos, identifierBytes, isNoLocal, isRetainAsPublished } from './subscription-options.ts';

/** One subscriber of a topic with what its subscriptions say, merged or not. */
export interface Target {
  readonly sink: number;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly subscriptionIds: Uint8Array;
}

class Tally {
  taken = 0;
  refused = 0;
  note(outcome: Outcome): void {
    if (outcome === Outcome.Refused) this.refused++;
    else this.taken++;
  }
  result(): Routed {
    if (this.taken > 0) return Routed.Delivered;
    return this.refused > 0 ? Routed.Refused : Routed.Unmatched;
  }
}

export function route(mqtt: Mqtt, message: Message, publisher: Session | undefined): Routed {
  const matches = mqtt.router.match(message.topic);
  const tally = new Tally();
  if (mqtt.config.mqtt.overlapping === 'merge') {
    for (const target of mergedTargets(matches)) toTarget(mqtt, target, message, tally);
  } else {
    for (let i = 0; i < matches.count; i++) toTarget(mqtt, targetAt(matches, i), message, tally);
  }
  const publisherHash = publisher?.clientHash ?? 0;
  for (const group of matches.groups) tally.note(deliverShared(mqtt, group, message, publisherHash));
  return tally.result();
}

function toTarget(mqtt: Mqtt, target: Target, message: Message, tally: Tally): void {
  const session = mqtt.sessions.byNumber(target.sink);
  if (session === undefined || !mqtt.access.receives(session, message.topic)) return;
  if (target.noLocal && clientKeyOf(session) === message.publisher) {
    tally.taken++; // it matched: only the publisher itself is spared
    return;
  }
  tally.note(toSession(mqtt, session, target, message));
}

export function toSession(mqtt: Mqtt, session: Session, target: Target, message: Message): Outcome {
  return deliver(mqtt, session, {
    message,
    qos: Math.min(message.qos, target.qos) as 0 | 1 | 2,
    retain: message.retain && target.retainAsPublished,
    subscriptionIds: target.subscriptionIds,
  });
}

function targetAt(matches: Matches, i: number): Target {
  const options = matches.options[i] as number;
  return {
    sink: matches.sinks[i] as number,
    qos: grantedQos(options),
    noLocal: isNoLocal(options),
    retainAsPublished: isRetainAsPublished(options),
    subscriptionIds: identifierBytes(matches.identifiers[i] as number),
  };
}

export function targetsOf(mqtt: Mqtt, matches: Matches): Target[] {
  if (mqtt.config.mqtt.overlapping === 'merge') return mergedTargets(matches);
  return Array.from({ length: matches.count }, (_, i) => targetAt(matches, i));
}

function mergedTargets(matches: Matches): Target[] {
  const bySink = new Map<number, Target>();
  for (let i = 0; i < matches.count; i++) {
    const target = targetAt(matches, i);
    const other = bySink.get(target.sink);
    bySink.set(target.sink, other === undefined ? target : merged(other, target));
  }
  return [...bySink.values()];
}

function merged(a: Target, b: Target): Target {
  return {
    sink: a.sink,
    qos: Math.max(a.qos, b.qos) as 0 | 1 | 2,
    noLocal: a.noLocal && b.noLocal,
    retainAsPublished: a.retainAsPublished || b.retainAsPublished,
    subscriptionIds: joined(a.subscriptionIds, b.subscriptionIds),
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
