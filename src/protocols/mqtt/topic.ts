/**
 * Topic names and topic filters: their grammar (MQTT 5.0 sections 4.7 and 4.8.2). Not here: matching and routing.
 * All functions work on UTF-8 bytes whose encoding was checked before (the codec does) and allocate nothing but the
 * result of parseFilter. What is wrong comes back as a value with the reason code and the statement that names it.
 */

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;
const SHARE_PREFIX = new TextEncoder().encode('$share/');
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface TopicLimits {
  readonly maxTopicBytes: number;
  readonly maxTopicLevels: number;
}

const NO_LIMITS: TopicLimits = { maxTopicBytes: 65535, maxTopicLevels: 65536 };

export interface ParsedFilter {
  /** ShareName of `$share/{group}/{filter}`; undefined for an ordinary subscription. */
  readonly group: string | undefined;
  /** Without the `$share/{group}/` prefix: what topics are matched against. A view of the input. */
  readonly filter: Uint8Array;
  readonly wildcard: boolean;
}

export interface TopicFault {
  readonly type: 'fault';
  /** 0x8F for a filter, 0x90 for a name. */
  readonly reasonCode: number;
  readonly message: string;
  readonly v5: string;
  readonly v3: string;
}

/** Takes a topic filter apart, or says why it is none. */
export function parseFilter(bytes: Uint8Array, limits: TopicLimits = NO_LIMITS): ParsedFilter | TopicFault {
  const shared = isShared(bytes);
  let start = 0;
  let group: string | undefined;
  if (shared) {
    const nameStart = SHARE_PREFIX.length;
    const slash = bytes.indexOf(SLASH, nameStart);
    if (slash === nameStart) return filterFault('Empty ShareName', 'MQTT-4.8.2-1');
    if (slash < 0) return filterFault('$share/ without a topic filter', 'MQTT-4.8.2-2');
    for (let i = nameStart; i < slash; i++) {
      if (bytes[i] === PLUS || bytes[i] === HASH) {
        return filterFault('Wildcard in a ShareName', 'MQTT-4.8.2-2');
      }
    }
    start = slash + 1;
    if (start === bytes.length) return filterFault('$share/ without a topic filter', 'MQTT-4.8.2-2');
    group = decoder.decode(bytes.subarray(nameStart, slash));
  }
  const filter = start === 0 ? bytes : bytes.subarray(start);
  if (filter.length === 0) return filterFault('Empty topic filter', 'MQTT-4.7.3-1');
  if (filter.length > limits.maxTopicBytes) {
    return filterFault(`Topic filter longer than ${limits.maxTopicBytes} bytes`, 'MQTT-4.7.3-3');
  }
  let wildcard = false;
  for (let i = 0; i < filter.length; i++) {
    const byte = filter[i];
    if (byte !== PLUS && byte !== HASH) continue;
    wildcard = true;
    const last = i + 1 === filter.length;
    const aloneInLevel = (i === 0 || filter[i - 1] === SLASH) && (last || filter[i + 1] === SLASH);
    if (byte === HASH && !(aloneInLevel && last)) {
      return filterFault("'#' is not alone in the last level", 'MQTT-4.7.1-1', 'MQTT-4.7.1-2');
    }
    if (byte === PLUS && !aloneInLevel) {
      return filterFault("'+' shares a level with other characters", 'MQTT-4.7.1-2', 'MQTT-4.7.1-3');
    }
  }
  if (levelCount(filter) > limits.maxTopicLevels) {
    return filterFault(
      `Topic filter with more than ${limits.maxTopicLevels} levels`,
      'MQTT 5.0 section 4.7.3',
    );
  }
  return { group, filter, wildcard };
}

/** Why these bytes are not a topic name that can be published to; undefined if they are. */
export function topicNameFault(bytes: Uint8Array, limits: TopicLimits = NO_LIMITS): TopicFault | undefined {
  if (bytes.length === 0) return nameFault('Empty topic name', 'MQTT-4.7.3-1');
  if (bytes.length > limits.maxTopicBytes) {
    return nameFault(`Topic name longer than ${limits.maxTopicBytes} bytes`, 'MQTT-4.7.3-3');
  }
  if (bytes.includes(PLUS) || bytes.includes(HASH)) {
    return nameFault('Wildcard in a topic name', 'MQTT-3.3.2-2', 'MQTT-3.3.2-2');
  }
  if (levelCount(bytes) > limits.maxTopicLevels) {
    return nameFault(`Topic name with more than ${limits.maxTopicLevels} levels`, 'MQTT 5.0 section 4.7.3');
  }
  return undefined;
}

export function validTopicName(bytes: Uint8Array, limits: TopicLimits = NO_LIMITS): boolean {
  return topicNameFault(bytes, limits) === undefined;
}

/** Levels are what slashes separate; empty ones count. */
export function levelCount(bytes: Uint8Array): number {
  let levels = 1;
  for (let at = bytes.indexOf(SLASH); at >= 0; at = bytes.indexOf(SLASH, at + 1)) levels++;
  return levels;
}

/** Such topics are not matched by a filter that starts with a wildcard. */
export function startsWithDollar(bytes: Uint8Array): boolean {
  return bytes[0] === DOLLAR;
}

export function isShared(filter: Uint8Array): boolean {
  return filter.length >= SHARE_PREFIX.length && SHARE_PREFIX.every((byte, i) => filter[i] === byte);
}

function filterFault(message: string, v5: string, v3 = v5): TopicFault {
  return { type: 'fault', reasonCode: 0x8f, message, v5, v3 };
}

function nameFault(message: string, v5: string, v3 = v5): TopicFault {
  return { type: 'fault', reasonCode: 0x90, message, v5, v3 };
}
