/**
 * An address is a list of levels; each protocol writes it in its own grammar, with a separator that another one may allow inside
 * of a level. What a grammar cannot have in a level is written as % and two digits, and a % that would be read as such as %25,
 * nothing else: so names that need none of it look as they always did, and each name that was translated comes back as it was.
 */

export type Grammar = 'mqtt' | 'amqp' | 'nats';

interface Rules {
  readonly separator: string;
  /** What a level of a name cannot have. */
  readonly reserved: string;
  /** What stands for one level, and for any number of them, in patterns. */
  readonly one: string;
  readonly rest: string;
}

export const RULES: Readonly<Record<Grammar, Rules>> = {
  mqtt: { separator: '/', reserved: '/+#\0', one: '+', rest: '#' },
  // A routing key may have * and #, which mean something in a binding only.
  amqp: { separator: '.', reserved: '.', one: '*', rest: '#' },
  nats: { separator: '.', reserved: '.*> \t\r\n\0', one: '*', rest: '>' },
};

interface Quoting {
  quote(level: string): string;
  unquote(level: string): string;
}

const codeOf = (char: string): string => char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');

function quoting(reserved: string): Quoting {
  const codes = [...reserved].map(codeOf);
  const code = `(?:25)*(?:${codes.join('|')})`;
  const special = new RegExp(`%(?=${code})|[${codes.map((each) => `\\x${each}`).join('')}]`, 'g');
  const quoted = new RegExp(`%(${code})`, 'g');
  return {
    quote: (level) => level.replace(special, (char) => `%${codeOf(char)}`),
    unquote: (level) =>
      level.replace(quoted, (_, digits: string) =>
        digits.length > 2 ? `%${digits.slice(2)}` : String.fromCharCode(Number.parseInt(digits, 16)),
      ),
  };
}

const inNames: Readonly<Record<Grammar, Quoting>> = {
  mqtt: quoting(RULES.mqtt.reserved),
  amqp: quoting(RULES.amqp.reserved),
  nats: quoting(RULES.nats.reserved),
};
const inAmqpPatterns = quoting('.*#');

/** A level of a pattern that stands for itself. In patterns of AMQP, * and # can be quoted as well. */
export const unquoteInPattern = (grammar: Grammar, level: string): string =>
  (grammar === 'amqp' ? inAmqpPatterns : inNames[grammar]).unquote(level);

export const levelsOf = (grammar: Grammar, name: string): string[] =>
  name.split(RULES[grammar].separator).map(inNames[grammar].unquote);

/** Undefined where the grammar has no such name: NATS has no empty levels, so these need an alias there. */
export function nameOf(grammar: Grammar, levels: readonly string[]): string | undefined {
  if (grammar === 'nats' && levels.includes('')) return undefined;
  return levels.map(inNames[grammar].quote).join(RULES[grammar].separator);
}

/** The same address in another grammar. */
export const translateName = (from: Grammar, name: string, to: Grammar): string | undefined =>
  nameOf(to, levelsOf(from, name));
