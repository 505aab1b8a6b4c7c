/**
 * What of the name that a client writes is authorized: the levels of an address. Prefixes that only say how a message comes
 * or goes (`$share/group/`, `$queue/`, `$delayed/seconds/`) are taken off, so that none of them is a way around a rule.
 */
import { isFilterLevel, isText } from '../../config/rule-filter.ts';
import { mqttAddress } from '../../kernel/crossing/addresses.ts';

export type Levels = readonly string[];

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a name in UTF-8; undefined where it is not that. */
export function textOf(name: Uint8Array | string): string | undefined {
  if (typeof name === 'string') return isText(name) ? name : undefined;
  try {
    return decoder.decode(name);
  } catch {
    return undefined;
  }
}

/** Short to make and different for different names, whether they come as text or as bytes. */
export function keyOf(name: Uint8Array | string): string {
  if (typeof name === 'string') return Buffer.from(name, 'utf8').toString('latin1');
  const bytes = Buffer.isBuffer(name) ? name : Buffer.from(name.buffer, name.byteOffset, name.byteLength);
  return bytes.toString('latin1');
}

/** Of a topic that is published to or delivered; undefined where that cannot be one. */
export function levelsOfTopic(topic: string): Levels | undefined {
  let inner = topic;
  if (topic.startsWith('$delayed/')) {
    const slash = topic.indexOf('/', '$delayed/'.length);
    if (slash < 0) return undefined;
    inner = topic.slice(slash + 1);
  }
  if (inner === '' || /[+#\0]/.test(inner)) return undefined;
  return inner.split('/');
}

/** Of a filter as it stands in SUBSCRIBE; undefined where that cannot be one. */
export function levelsOfFilter(filter: string): Levels | undefined {
  let inner = filter;
  if (filter.startsWith('$queue/')) inner = filter.slice('$queue/'.length);
  else if (filter.startsWith('$share/')) {
    const slash = filter.indexOf('/', '$share/'.length);
    if (slash < 0) return undefined;
    inner = filter.slice(slash + 1);
  }
  if (inner === '' || inner.includes('\0')) return undefined;
  const levels = inner.split('/');
  return levels.every(isFilterLevel) ? levels : undefined;
}

/** The address of a topic of Kafka, as authorization is asked for it. */
export const kafkaAddress = (name: string): string => Buffer.from(mqttAddress(name)).toString();

const NEVER_NAMES = new Set(['$share', '$queue', '$delayed', '$exclusive']);
const OTHER_TENANTS = new Set(['$tenant', '$tenant$']);
/** Names that Kafka's brokers keep things under, and that its clients take for that. */
const KAFKA_INTERNAL = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
]);

/** Where a bridge of Mosquitto announces itself. */
const isBridgeState = (levels: Levels): boolean =>
  levels.length === 5 &&
  levels[1] === 'broker' &&
  levels[2] === 'connection' &&
  levels[3] !== '' &&
  levels[4] === 'state';

/** Names that are not for clients, whatever rules say. */
export function isReserved(levels: Levels, isPublish: boolean): boolean {
  const first = levels[0] ?? '';
  if (NEVER_NAMES.has(first)) return true;
  if (!isPublish) return false;
  return KAFKA_INTERNAL.has(first) || (first === '$SYS' && !isBridgeState(levels));
}

/** What tenants have is kept below these: only for who is everything without a tenant. */
export const isOfTenants = (levels: Levels): boolean => OTHER_TENANTS.has(levels[0] ?? '');

/** A topic there that no tenant writes: it would match what one subscribes to, and have no name for it, or a wrong one. */
export function isNameless(levels: Levels): boolean {
  if (!isOfTenants(levels)) return false;
  const [space, , first = ''] = levels;
  if (levels.length < 3 || (levels.length === 3 && first === '')) return true;
  return first.startsWith('$') !== (space === '$tenant$');
}

/** Names that begin with `$` are published to by whom a rule lets, never because there is no rule. */
export const needsRule = (levels: Levels, isPublish: boolean): boolean =>
  isPublish && (levels[0] ?? '').startsWith('$') && !(levels[0] === '$SYS' && isBridgeState(levels));
