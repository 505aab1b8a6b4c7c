import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mqttAddress } from '../../../src/kernel/crossing/addresses.ts';
import {
  isTenantName,
  NO_TENANT,
  tenantOf,
  tenantOfName,
  tenantOfTopic,
} from '../../../src/security/tenants/tenants.ts';
import { bytes, filterArbitrary, naiveMatch, text, topicArbitrary } from '../../kernel/topic-model.ts';

const tenantArb = fc.constantFrom('acme', 'ac', 'acme-2', 'b');
const mapped = (value: Uint8Array | undefined): string => {
  if (value === undefined) throw new Error('too long');
  return text(value);
};

describe('names of tenants', () => {
  it('end no level in any protocol', () => {
    for (const name of ['a', 'acme', 'a-b', '0', 'a'.repeat(63)]) expect(isTenantName(name)).toBe(true);
    for (const name of [
      '',
      'A',
      'a.b',
      'a/b',
      '+',
      '#',
      '-a',
      'a-',
      'a_b',
      'é',
      'a\0',
      'a'.repeat(64),
      '$a',
    ]) {
      expect(isTenantName(name), name).toBe(false);
      if (name !== '') expect(() => tenantOf(name)).toThrow(/no name/);
    }
  });
});

describe('topics of tenants', () => {
  it('come back as they were written, and to nobody else', () => {
    fc.assert(
      fc.property(tenantArb, tenantArb, topicArbitrary, (own, other, topic) => {
        for (const written of [topic, `$delayed/30/${topic}`, `$share/g/${topic}`, `$queue/${topic}`]) {
          const inside = bytes(mapped(tenantOf(own).toTopic(bytes(written))));
          expect(mapped(tenantOf(own).fromTopic(inside))).toBe(written);
          expect(tenantOfTopic(inside).name).toBe(own);
          expect(inside.length - bytes(written).length).toBe(
            tenantOf(own).prefixBytes + (written.startsWith('$') ? 1 : 0),
          );
          if (own !== other) expect(tenantOf(other).fromTopic(inside)).toBeUndefined();
        }
        expect(tenantOf(own).fromTopic(bytes(topic))).toBeUndefined();
        expect(mapped(tenantOf('').toTopic(bytes(topic)))).toBe(topic);
      }),
    );
  });

  it('match the tenant’s filters as they would anywhere, and no others', () => {
    fc.assert(
      fc.property(tenantArb, tenantArb, filterArbitrary, topicArbitrary, (own, other, filter, topic) => {
        const inside = mapped(tenantOf(own).toTopic(bytes(topic)));
        const subscribed = tenantOf(own).toFilter(bytes(filter)) ?? new Uint8Array(0);
        expect(mapped(tenantOf(own).fromFilter(subscribed))).toBe(filter);
        expect(naiveMatch(text(subscribed), inside)).toBe(naiveMatch(filter, topic));
        const theirs = mapped(tenantOf(other).toFilter(bytes(filter)));
        if (own !== other) expect(naiveMatch(theirs, inside)).toBe(false);
        expect(naiveMatch(filter, inside)).toBe(false);
      }),
    );
  });

  it('item 39: what a tenant calls $SYS, $share or another tenant’s is its own', () => {
    const acme = tenantOf('acme');
    for (const topic of ['$SYS/broker/uptime', '$tenant/evil/a', '$tenant$/evil/a', '$share/g/a', '$own']) {
      const inside = mapped(acme.toTopic(bytes(topic)));
      expect(inside).toBe(`$tenant$/acme/${topic}`);
      expect(naiveMatch('$SYS/#', inside)).toBe(false);
      expect(naiveMatch('$tenant/evil/#', inside)).toBe(false);
    }
    expect(mapped(acme.toFilter(bytes('$SYS/#')))).toBe('$tenant$/acme/$SYS/#');
    expect(mapped(acme.toFilter(bytes('#')))).toBe('$tenant/acme/#');
  });

  it('say whose they are, and what is several tenants’ is nobody’s', () => {
    expect(tenantOfTopic(bytes('$tenant/acme/a')).name).toBe('acme');
    expect(tenantOfTopic(bytes('$tenant$/acme/$SYS')).name).toBe('acme');
    for (const topic of [
      'a',
      '$tenant',
      '$tenant/acme',
      '$tenant/acme/',
      '$tenant/+/a',
      '$tenant/A/a',
      '$tenants/acme/a',
    ]) {
      expect(tenantOfTopic(bytes(topic)), topic).toBe(NO_TENANT);
    }
  });

  it('are refused where they become too long', () => {
    const prefix = '$tenant/acme/'.length;
    expect(tenantOf('acme').toTopic(new Uint8Array(65_535 - prefix).fill(0x61))).toHaveLength(65_535);
    expect(tenantOf('acme').toTopic(new Uint8Array(65_536 - prefix).fill(0x61))).toBeUndefined();
    expect(tenantOf('acme').toFilter(new Uint8Array(65_536 - prefix).fill(0x61))).toBeUndefined();
  });
});

describe('other names of tenants', () => {
  it('topics of Kafka are the same addresses as those of MQTT, and no client can name them', () => {
    const acme = tenantOf('acme');
    const inside = acme.toKafkaTopic('orders.eu');
    expect(text(mqttAddress(inside))).toBe(mapped(acme.toTopic(mqttAddress('orders.eu'))));
    expect(inside).not.toMatch(/^[\w.-]+$/);
    expect(acme.fromKafkaTopic(inside)).toBe('orders.eu');
    expect(tenantOf('ac').fromKafkaTopic(inside)).toBeUndefined();
    expect(tenantOf('').fromKafkaTopic(inside)).toBeUndefined();
    expect(tenantOf('').fromKafkaTopic('orders.eu')).toBe('orders.eu');
  });

  it('item 40: the same client identifier of two tenants is two, and none can be forged', () => {
    fc.assert(
      fc.property(tenantArb, tenantArb, fc.string(), fc.string(), (own, other, name, forged) => {
        const inside = tenantOf(own).toName(name) ?? '';
        expect(tenantOf(own).fromName(inside)).toBe(name);
        expect(tenantOfName(inside).name).toBe(own);
        if (own !== other) {
          expect(tenantOf(other).toName(forged)).not.toBe(inside);
          expect(tenantOf(other).fromName(inside)).toBeUndefined();
        }
        expect(tenantOf('').toName(inside)).toBeUndefined();
        expect(tenantOf('').fromName(inside)).toBeUndefined();
      }),
    );
    expect(tenantOf('').toName('client')).toBe('client');
    expect(tenantOfName('client')).toBe(NO_TENANT);
  });
});
