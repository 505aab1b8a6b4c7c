import net from 'node:net';

/** A set of networks in CIDR notation (a bare address is a network of one). */
export interface Networks {
  includes(address: string): boolean;
}

/** Throws with a sentence that names the bad entry. */
export function parseNetworks(entries: readonly string[]): Networks {
  const list = new net.BlockList();
  for (const entry of entries) {
    const [address = '', prefix, ...excess] = entry.split('/');
    const version = net.isIP(address);
    const maxBits = version === 4 ? 32 : 128;
    const bits = prefix === undefined ? maxBits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (version === 0 || excess.length > 0 || bits < 0 || bits > maxBits) {
      throw new Error(`"${entry}" is not a network; write it like 10.0.0.0/8 or fd00::/8.`);
    }
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    includes: (address) => {
      const version = net.isIP(address);
      return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6');
    },
  };
}
