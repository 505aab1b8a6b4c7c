/** Topics and filters of MQTT, there and back. All are UTF-8 and valid. */

export interface TenantTopics {
  /** Of what is published, wills included; undefined where it becomes too long. */
  toTopic(topic: Uint8Array): Uint8Array | undefined;
  /** What the tenant's clients see; undefined where it is not the tenant's. */
  fromTopic(topic: Uint8Array): Uint8Array | undefined;
  /** Of a filter as in SUBSCRIBE, with `$share/group/` where it is there. */
  toFilter(filter: Uint8Array): Uint8Array | undefined;
  fromFilter(filter: Uint8Array): Uint8Array | undefined;
}

const DOLLAR = 0x24;
const SLASH = 0x2f;
const MAX_BYTES = 65_535;
const SHARE = Buffer.from('$share/');
const QUEUE = Buffer.from('$queue/');
const DELAYED = Buffer.from('$delayed/');

const startsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);

/** How long what comes in front of the topic is: `$share/group/`; 0 where there is nothing like that. */
function headLength(bytes: Uint8Array, heads: readonly Uint8Array[]): number {
  if (bytes[0] !== DOLLAR) return 0;
  const head = heads.find((each) => startsWith(bytes, each));
  if (head === undefined || head === QUEUE) return head?.length ?? 0;
  return bytes.indexOf(SLASH, head.length) + 1;
}

function withPrefix(bytes: Uint8Array, at: number, prefix: Uint8Array): Uint8Array | undefined {
  if (bytes.length + prefix.length > MAX_BYTES) return undefined;
  const whole = new Uint8Array(bytes.length + prefix.length);
  whole.set(bytes.subarray(0, at));
  whole.set(prefix, at);
  whole.set(bytes.subarray(at), at + prefix.length);
  return whole;
}

function without(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (at === 0) return bytes.subarray(length);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
}

const PUBLISHED = [DELAYED];
const SUBSCRIBED = [SHARE, QUEUE];

export function tenantTopics(tenant: string): TenantTopics {
  if (tenant === '') {
    const same = (bytes: Uint8Array): Uint8Array => bytes;
    return { toTopic: same, fromTopic: same, toFilter: same, fromFilter: same };
  }
  const ordinary = Buffer.from(`$tenant/${tenant}/`);
  const dollar = Buffer.from(`$tenant$/${tenant}/`);

  const into = (bytes: Uint8Array, heads: readonly Uint8Array[]): Uint8Array | undefined => {
    const at = headLength(bytes, heads);
    return withPrefix(bytes, at, bytes[at] === DOLLAR ? dollar : ordinary);
  };
  const outOf = (bytes: Uint8Array, heads: readonly Uint8Array[]): Uint8Array | undefined => {
    const at = headLength(bytes, heads);
    const rest = bytes.subarray(at);
    const prefix = [ordinary, dollar].find((each) => startsWith(rest, each));
    return prefix === undefined ? undefined : without(bytes, at, prefix.length);
  };
  return {
    toTopic: (topic) => into(topic, PUBLISHED),
    fromTopic: (topic) => outOf(topic, PUBLISHED),
    toFilter: (filter) => into(filter, SUBSCRIBED),
    fromFilter: (filter) => outOf(filter, SUBSCRIBED),
  };
}
