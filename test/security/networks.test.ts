import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalNetwork, createNetworkMap, parseNetwork } from '../../src/security/networks.ts';

const networkArb = fc.oneof(
  fc.tuple(fc.ipV4(), fc.constantFrom(0, 1, 7, 8, 16, 24, 31, 32)),
  fc.tuple(fc.ipV6(), fc.constantFrom(0, 1, 32, 63, 64, 96, 127, 128)),
);

describe('networks', () => {
  it('have the addresses that the system’s own list says they have', () => {
    fc.assert(
      fc.property(
        fc.array(networkArb, { minLength: 1, maxLength: 5 }),
        fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { minLength: 1, maxLength: 5 }),
        (networks, others) => {
          const map = createNetworkMap<string>();
          const lists = networks.map(([address, prefix]) => {
            const text = `${address}/${prefix}`;
            expect(map.set(text, text)).toBe(true);
            const list = new BlockList();
            list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6');
            return { list, network: parseNetwork(text) };
          });
          for (const asked of [...others, ...networks.map(([address]) => address)]) {
            // An address written in the other family is one address here; the list keeps the families apart.
            if (!isIPv4(asked) && parseNetwork(asked)?.bits === 32) continue;
            const isIn = lists.some(
              ({ list, network }) =>
                (network?.bits === 32) === isIPv4(asked) &&
                list.check(asked, isIPv4(asked) ? 'ipv4' : 'ipv6'),
            );
            expect(map.find(asked) !== undefined, asked).toBe(isIn);
          }
        },
      ),
    );
  });

  it('find by the narrowest, and forget what is deleted', () => {
    const map = createNetworkMap<string>();
    map.set('10.0.0.0/8', 'wide');
    map.set('10.1.0.0/16', 'narrow');
    expect(map.find('10.1.2.3')).toBe('narrow');
    expect(map.find('::ffff:10.2.0.1')).toBe('wide');
    expect(map.find('::ffff:a02:1')).toBe('wide');
    map.delete('10.1.9.9/16');
    expect(map.find('10.1.2.3')).toBe('wide');
    expect(map.size).toBe(1);
    map.delete('10.0.0.0/8');
    expect(map.find('10.1.2.3')).toBeUndefined();
    expect(map.find('')).toBeUndefined();
  });

  it('are the same however they are written', () => {
    expect(canonicalNetwork('10.9.9.9/8')).toBe(canonicalNetwork('10.0.0.0/8'));
    expect(canonicalNetwork('::FFFF:10.0.0.1')).toBe(canonicalNetwork('10.0.0.1/32'));
    expect(canonicalNetwork('2001:db8::1')).toBe(canonicalNetwork('2001:0db8:0:0:0:0:0:1/128'));
    expect(canonicalNetwork('fe80::1%eth0')).toBe(canonicalNetwork('fe80::1'));
  });

  it('are not what is none', () => {
    for (const text of [
      '',
      'x',
      '10.0.0',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      '10.0.0.0/1e1',
    ]) {
      expect(parseNetwork(text), text).toBeUndefined();
    }
  });
});
