/** Naive matching and generators of topics and filters, shared by the tests of the topic structures. */
import fc from 'fast-check';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const text = (data: Uint8Array): string => decoder.decode(data);

/** The rules of MQTT 5.0 section 4.7, one level at a time. */
export function naiveMatch(filter: string, topic: string): boolean {
  const f = filter.split('/');
  const t = topic.split('/');
  if (topic.startsWith('$') && (f[0] === '#' || f[0] === '+')) return false;
  for (let i = 0; i < f.length; i++) {
    if (f[i] === '#') return true;
    if (i >= t.length) return false;
    if (f[i] !== '+' && f[i] !== t[i]) return false;
  }
  return f.length === t.length;
}

/** Few, so that prefixes are shared; of all the lengths that hashing and comparing treat differently. */
const level = fc.constantFrom(
  '',
  'a',
  'b',
  'ab',
  'abc',
  'abd',
  'sensor',
  'seńsor',
  'temperature-0001',
  'temperature-0002',
  '温度',
  '😀',
  ' ',
);
const firstLevel = fc.oneof({ weight: 5, arbitrary: level }, fc.constantFrom('$SYS', '$', '$a'));

export const topicArbitrary = fc
  .tuple(firstLevel, fc.array(level, { maxLength: 4 }))
  .map(([first, rest]) => [first, ...rest].join('/'))
  .filter((topic) => topic !== '');

export const filterArbitrary = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: firstLevel }, fc.constant('+')),
    fc.array(fc.oneof({ weight: 3, arbitrary: level }, fc.constant('+')), { maxLength: 4 }),
    fc.oneof({ weight: 2, arbitrary: fc.constant(false) }, fc.constant(true)),
    fc.boolean(),
  )
  .map(([first, rest, hash, alone]) => {
    if (hash && alone && rest.length === 0) return '#';
    return [first, ...rest, ...(hash ? ['#'] : [])].join('/');
  })
  .filter((filter) => filter !== '');
