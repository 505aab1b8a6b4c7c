/**
 * Bindings: who gets what is published, for the protocols whose patterns and conditions are more than MQTT's filters: `*` and `#`
 * of AMQP, `*` and `>` of NATS, headers, selectors. A sink may have many, and gets a message once however many of them match.
 * They stand on a router of their own; MQTT's sessions go by the other one, groups by `subscribeShared` there.
 *
 * Here too what a flow is: the sinks of an address are found once and kept until a binding comes or goes; only conditions, which
 * look at the message, are asked each time. As everywhere, a wildcard in front does not match what begins with `$`. Not here:
 * exchanges, queues, and what they do with a message.
 */
import { compileHeaders } from '../filter/matchers.ts';
import type { Predicate, Properties, PropertyValue } from '../filter/selector.ts';
import { createRouter } from '../router.ts';
import { compileBindingPattern } from './binding-pattern.ts';
import type { Grammar } from './names.ts';

/** Equal keys are equal conditions. */
export interface Condition {
  readonly key: string;
  readonly matches: Predicate;
}

export interface Binding {
  readonly grammar: Grammar;
  readonly pattern: string;
  readonly condition?: Condition;
}

export interface BindingLimits {
  /** Of all sinks; one more is refused as `full`. */
  readonly maxBindings: number;
  /** Addresses whose sinks are kept. When there are as many, all of them are found anew. */
  readonly maxFlows: number;
}

export type BindResult =
  | { readonly status: 'new' | 'known' | 'full' }
  | { readonly status: 'invalid'; readonly reason: string };

export interface Bindings {
  readonly size: number;
  bind(sink: number, binding: Binding): BindResult;
  unbind(sink: number, binding: Binding): boolean;
  /** All of the sink's; how many there were. */
  removeSink(sink: number): number;
  /** Sinks of an address, as MQTT writes it, each once and in ascending order. `properties` are those of the message. */
  match(address: string, properties: Properties): number[];
}

/** The condition of headers that must all, or of which any must, be there, with that value where one is given. */
export function headerCondition(
  mode: 'all' | 'any',
  headers: readonly (readonly [name: string, value: PropertyValue])[],
): Condition {
  const inOrder = [...headers].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { key: JSON.stringify([mode, inOrder]), matches: compileHeaders(mode, headers) };
}

interface Rule {
  readonly accepts: ((levels: readonly string[]) => boolean) | undefined;
  readonly condition: Condition | undefined;
}

/** The bindings of one sink that have the same filter; the router knows it by its number. */
interface Row {
  readonly number: number;
  readonly sink: number;
  readonly filter: string;
  readonly rules: Map<string, Rule>;
}

interface Flow {
  readonly always: readonly number[];
  readonly conditional: readonly { readonly sink: number; readonly conditions: readonly Condition[] }[];
}

const keyOf = ({ grammar, pattern, condition }: Binding): string =>
  JSON.stringify([grammar, pattern, condition?.key]);

export function createBindings({ maxBindings, maxFlows }: BindingLimits): Bindings {
  const router = createRouter();
  const rows: (Row | undefined)[] = [];
  const freeNumbers: number[] = [];
  const rowsOfSink = new Map<number, Map<string, Row>>();
  const flows = new Map<string, Flow>();
  let size = 0;

  function makeRow(sink: number, filter: string): Row | undefined {
    const number = freeNumbers.pop() ?? rows.length;
    const row: Row = { number, sink, filter, rules: new Map() };
    rows[number] = row;
    if (router.subscribe(sink, Buffer.from(filter), 0, number) === 'full') {
      rows[number] = undefined;
      freeNumbers.push(number);
      return undefined;
    }
    const own = rowsOfSink.get(sink) ?? new Map<string, Row>();
    rowsOfSink.set(sink, own.set(filter, row));
    return row;
  }

  function dropRow({ number, sink, filter }: Row): void {
    router.unsubscribe(sink, Buffer.from(filter));
    rows[number] = undefined;
    freeNumbers.push(number);
    const own = rowsOfSink.get(sink);
    own?.delete(filter);
    if (own?.size === 0) rowsOfSink.delete(sink);
  }

  function findFlow(address: string): Flow {
    const { count, identifiers } = router.match(Buffer.from(address));
    const levels = address.split('/');
    const always = new Set<number>();
    const asked = new Map<number, Condition[]>();
    for (let i = 0; i < count; i++) {
      const row = rows[identifiers[i] ?? -1];
      for (const { accepts, condition } of row?.rules.values() ?? []) {
        if (row === undefined || accepts?.(levels) === false) continue;
        if (condition === undefined) always.add(row.sink);
        else asked.set(row.sink, [...(asked.get(row.sink) ?? []), condition]);
      }
    }
    for (const sink of always) asked.delete(sink);
    const conditional = [...asked].map(([sink, conditions]) => ({ sink, conditions }));
    return { always: [...always].sort((a, b) => a - b), conditional };
  }

  function flowOf(address: string): Flow {
    const known = flows.get(address);
    if (known !== undefined) return known;
    if (flows.size >= maxFlows) flows.clear();
    const flow = findFlow(address);
    flows.set(address, flow);
    return flow;
  }

  return {
    get size() {
      return size;
    },

    bind(sink, binding) {
      const compiled = compileBindingPattern(binding.grammar, binding.pattern);
      if ('reason' in compiled) return { status: 'invalid', reason: compiled.reason };
      const { filter, accepts } = compiled;
      const key = keyOf(binding);
      const known = rowsOfSink.get(sink)?.get(filter);
      if (known?.rules.has(key) === true) return { status: 'known' };
      if (size >= maxBindings) return { status: 'full' };
      const row = known ?? makeRow(sink, filter);
      if (row === undefined) return { status: 'full' };
      row.rules.set(key, { accepts, condition: binding.condition });
      size++;
      flows.clear();
      return { status: 'new' };
    },

    unbind(sink, binding) {
      const compiled = compileBindingPattern(binding.grammar, binding.pattern);
      const row = 'reason' in compiled ? undefined : rowsOfSink.get(sink)?.get(compiled.filter);
      if (row?.rules.delete(keyOf(binding)) !== true) return false;
      if (row.rules.size === 0) dropRow(row);
      size--;
      flows.clear();
      return true;
    },

    removeSink(sink) {
      const own = [...(rowsOfSink.get(sink)?.values() ?? [])];
      const removed = own.reduce((sum, { rules }) => sum + rules.size, 0);
      for (const row of own) dropRow(row);
      size -= removed;
      if (removed > 0) flows.clear();
      return removed;
    },

    match(address, properties) {
      const { always, conditional } = flowOf(address);
      const sinks = [...always];
      for (const { sink, conditions } of conditional) {
        if (conditions.some(({ matches }) => matches(properties))) sinks.push(sink);
      }
      return conditional.length === 0 ? sinks : sinks.sort((a, b) => a - b);
    },
  };
}
