/**
 * Topics and filters of MQTT, there and back; in what they say they are alike. All are UTF-8 and valid, and bare:
 * `$share/group/` and `$delayed/seconds/` are taken off before, so that nothing in front of a name leads out of a tenant.
 */

export interface TenantTopics {
  /** Of what is published, wills included; undefined where it becomes too long. */
  toTopic(topic: Uint8Array): Uint8Array | undefined;
  /** What the tenant's clients see, a view of the same bytes; undefined where it is not the tenant's. */
  fromTopic(topic: Uint8Array): Uint8Array | undefined;
  toFilter(filter: Uint8Array): Uint8Array | undefined;
  fromFilter(filter: Uint8Array): Uint8Array | undefined;
  /** Bytes in front of a topic that does not begin with `$`; one more where it does. 0: none. */
  readonly prefixBytes: number;
}

const DOLLAR = 0x24;
const MAX_BYTES = 65_535;

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length <= prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

export function tenantTopics(tenant: string): TenantTopics {
  if (tenant === '') {
    const same = (bytes: Uint8Array): Uint8Array => bytes;
    return { toTopic: same, fromTopic: same, toFilter: same, fromFilter: same, prefixBytes: 0 };
  }
  const ordinary = Buffer.from(`$tenant/${tenant}/`);
  const dollar = Buffer.from(`$tenant$/${tenant}/`);

  const into = (bytes: Uint8Array): Uint8Array | undefined => {
    const prefix = bytes[0] === DOLLAR ? dollar : ordinary;
    if (bytes.length + prefix.length > MAX_BYTES) return undefined;
    const whole = new Uint8Array(prefix.length + bytes.length);
    whole.set(prefix);
    whole.set(bytes, prefix.length);
    return whole;
  };
  const outOf = (bytes: Uint8Array): Uint8Array | undefined => {
    if (startsWith(bytes, ordinary)) return bytes.subarray(ordinary.length);
    return startsWith(bytes, dollar) ? bytes.subarray(dollar.length) : undefined;
  };
  return {
    toTopic: into,
    fromTopic: outOf,
    toFilter: into,
    fromFilter: outOf,
    prefixBytes: ordinary.length,
  };
}

const OF_TENANT = /^\$tenant\$?\/([^/]+)\/./;
/** Of a prefix, with room for the longest name. */
const HEAD_BYTES = 80;

/** Whose the topic is; '' is nobody's. */
export function tenantNameIn(topic: Uint8Array): string {
  if (topic[0] !== DOLLAR) return '';
  const head = Buffer.from(topic.buffer, topic.byteOffset, Math.min(topic.length, HEAD_BYTES));
  return OF_TENANT.exec(head.toString('latin1'))?.[1] ?? '';
}
