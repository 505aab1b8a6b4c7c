/**
 * What a publisher asks for: `$delayed/{seconds}/{topic}`, or a user property with the seconds. The topic counts where
 * both are there. What is delayed is what comes out: the topic that follows, and the properties without the request.
 */
import { userProperty, withoutUserProperty } from '../user-properties.ts';

export interface DelayRequest {
  readonly topic: Uint8Array;
  readonly delaySeconds: number;
  readonly properties: Uint8Array;
}

export interface DelayFault {
  readonly fault: 'no seconds' | 'no topic' | 'delayed twice' | 'too long';
}

export interface DelayRules {
  readonly enabled: boolean;
  /** Name of the user property, in UTF-8; empty: none. */
  readonly userProperty: Uint8Array;
  readonly maxDelaySeconds: number;
}

const PREFIX = new TextEncoder().encode('$delayed/');
const SLASH = 0x2f;
const DOLLAR = 0x24;
const ZERO = 0x30;
const MAX_DIGITS = 10;

/** Undefined when no delay is asked for, or delays are off. */
export function delayRequest(
  topic: Uint8Array,
  properties: Uint8Array,
  rules: DelayRules,
): DelayRequest | DelayFault | undefined {
  if (!rules.enabled) return undefined;
  const name = rules.userProperty;
  const hasPrefix = isDelayedTopic(topic);
  if (!hasPrefix && (properties.length === 0 || name.length === 0)) return undefined;
  const value = name.length === 0 ? undefined : userProperty(properties, name);
  let delayed = topic;
  let delaySeconds = -1;
  if (hasPrefix) {
    const slash = topic.indexOf(SLASH, PREFIX.length);
    if (slash < 0) return { fault: 'no topic' };
    delaySeconds = secondsOf(topic.subarray(PREFIX.length, slash));
    delayed = topic.subarray(slash + 1);
    if (delayed.length === 0) return { fault: 'no topic' };
    if (isDelayedTopic(delayed)) return { fault: 'delayed twice' };
  } else {
    if (value === undefined) return undefined;
    delaySeconds = secondsOf(value);
  }
  if (delaySeconds < 0) return { fault: 'no seconds' };
  if (delaySeconds > rules.maxDelaySeconds) return { fault: 'too long' };
  const rest = value === undefined ? properties : withoutUserProperty(properties, name);
  return { topic: delayed, delaySeconds, properties: rest };
}

export function isDelayedTopic(topic: Uint8Array): boolean {
  if (topic[0] !== DOLLAR || topic.length < PREFIX.length) return false;
  for (let i = 1; i < PREFIX.length; i++) if (topic[i] !== PREFIX[i]) return false;
  return true;
}

/** A whole number in decimal digits, or -1. */
function secondsOf(text: Uint8Array): number {
  if (text.length === 0 || text.length > MAX_DIGITS) return -1;
  let seconds = 0;
  for (const byte of text) {
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) return -1;
    seconds = seconds * 10 + digit;
  }
  return seconds;
}
