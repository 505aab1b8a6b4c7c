import { describe, expect, it } from 'vitest';
import { defaultLoad, fanOut, loadArguments, parseLoadArguments } from '../../../bench/load/options.ts';

describe('arguments of the load generator', () => {
  it('come back as they were written', () => {
    const options = {
      ...defaultLoad,
      qos: 2,
      version: 5,
      spread: 'own',
      topics: 7,
      sparse: true,
      rate: 10,
    } as const;
    expect(parseLoadArguments(loadArguments(options))).toEqual(options);
    expect(parseLoadArguments([])).toEqual(defaultLoad);
  });

  it('are refused when a run could not work', () => {
    expect(() => parseLoadArguments(['--qos=3'])).toThrow('--qos');
    expect(() => parseLoadArguments(['--rate=5', '--payload-bytes=4'])).toThrow('--payload-bytes');
    expect(() => parseLoadArguments(['--window=10', '--subscribers=100'])).toThrow('--window');
  });

  it('know how many deliveries a message makes', () => {
    expect(fanOut({ ...defaultLoad, subscribers: 100 })).toBe(100);
    expect(fanOut({ ...defaultLoad, subscribers: 100, topics: 50, spread: 'own' })).toBe(2);
  });
});
