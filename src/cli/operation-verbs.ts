/**
 * Verbs out of the table of operations: what a row takes becomes arguments and options, what it gives a table or a text. A
 * secret is never an option: it comes out of a file or standard input.
 */
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { AnyOperation, Operation } from '../admin/operation.ts';
import { ALL_OPERATIONS, SUBJECTS } from '../admin/operations.ts';
import type { JsonSchema } from '../admin/schema.ts';
import { type AdminOptions, withAdminOptions } from './admin-target.ts';
import type { Io } from './io.ts';
import { append, wholeNumber } from './options.ts';

type Ends = (run: Promise<number>) => Promise<void>;

/** Where a value of the command line goes, and how its text is read. */
export interface Field {
  /** Of the operation. */
  readonly name: string;
  readonly in: 'path' | 'query' | 'body';
  readonly json: JsonSchema;
  readonly isRequired: boolean;
  /** Of a secret: commander's names of the two options that bring it. */
  readonly isSecret: boolean;
}

export interface VerbCall {
  readonly row: Operation<object, unknown>;
  readonly fields: readonly Field[];
  /** Values by field; those of secrets are not among them. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly options: AdminOptions & { readonly limit?: number; readonly yes?: boolean };
}

export function addOperationVerbs(program: Command, io: Io, ends: Ends): void {
  for (const row of ALL_OPERATIONS) addVerb(program, row, io, ends);
}

/** The command that words of the first level name, made when it is not there yet. */
export function subjectOf(program: Command, subject: string): Command {
  const known = program.commands.find((command) => command.name() === subject);
  return known ?? program.command(subject).description(SUBJECTS[subject] ?? '');
}

function addVerb(program: Command, row: AnyOperation, io: Io, ends: Ends): void {
  const { verb, summary } = row;
  if (verb === undefined) return;
  const [first = '', second] = verb.words.split(' ');
  const parent = second === undefined ? program : subjectOf(program, first);
  const command = withAdminOptions(parent.command(second ?? first).description(summary));
  if (verb.alias !== undefined) command.alias(verb.alias);
  const fields = fieldsOf(row);
  const isArgument = ({ name, in: where }: Field): boolean =>
    where === 'path' || (verb.arguments ?? []).includes(name);
  const inOrder = [
    ...fields.filter((field) => field.in === 'path'),
    ...(verb.arguments ?? []).flatMap((name) =>
      fields.filter((field) => field.name === name && field.in !== 'path'),
    ),
  ];
  for (const field of inOrder) {
    const word = kebab(field.name);
    const argument = new Argument(field.isRequired ? `<${word}>` : `[${word}]`, describe(field));
    const { enum: choices } = field.json;
    if (Array.isArray(choices)) argument.choices(choices as string[]);
    else argument.argParser((text) => read(field, text));
    command.addArgument(argument);
  }
  const optional = fields.filter((field) => !isArgument(field) && !isPaging(field));
  for (const field of optional) for (const option of optionsOf(field)) command.addOption(option);
  if (isList(row)) {
    command.option('--limit <number>', 'at most so many', wholeNumber(1), verb.usualLimit ?? 1000);
  }
  if (verb.isFinal === true) command.option('-y, --yes', 'do not ask');
  if (verb.examples !== undefined) {
    const lines = verb.examples.map((each) => `  robustmq ${each}`);
    command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
  }
  command.action(async (...given: unknown[]) => {
    const options = given[inOrder.length] as VerbCall['options'] & Readonly<Record<string, unknown>>;
    const values: Record<string, unknown> = {};
    inOrder.forEach((field, i) => {
      if (given[i] !== undefined) values[field.name] = given[i];
    });
    for (const field of optional) {
      const value = options[field.name];
      if (!field.isSecret && value !== undefined) values[field.name] = value;
    }
    const { runVerb } = await import('./run-operation.ts');
    await ends(runVerb({ row: row as Operation<object, unknown>, fields, values, options }, io));
  });
}

export const isList = ({ output }: AnyOperation): boolean =>
  (output.json as { readonly properties?: object }).properties !== undefined &&
  Object.hasOwn((output.json as { readonly properties: object }).properties, 'nextCursor');

const isPaging = ({ name, in: where }: Field): boolean =>
  where === 'query' && (name === 'limit' || name === 'cursor');

function fieldsOf({ pathParameters, queryParameters, body }: AnyOperation): Field[] {
  const field = (where: Field['in'], name: string, json: JsonSchema, isRequired: boolean): Field => ({
    name,
    in: where,
    json,
    isRequired,
    isSecret: json.writeOnly === true,
  });
  const { properties = {}, required = [] } = (body?.json ?? {}) as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly required?: readonly string[];
  };
  return [
    ...Object.entries(pathParameters).map(([name, { json }]) => field('path', name, json, true)),
    ...Object.entries(queryParameters).map(([name, { json }]) => field('query', name, json, false)),
    ...Object.entries(properties).map(([name, json]) => field('body', name, json, required.includes(name))),
  ];
}

function optionsOf(field: Field): Option[] {
  const word = kebab(field.name);
  const text = describe(field);
  if (field.isSecret) {
    return [
      new Option(`--${word}-file <file>`, `${text} Out of a file.`),
      new Option(`--${word}-stdin`, `${text} Out of standard input.`),
    ];
  }
  const { type, enum: choices } = field.json;
  if (type === 'boolean') {
    return [
      new Option(`--${word}`, text).conflicts([]),
      new Option(`--no-${word}`, 'The opposite.').default(undefined),
    ];
  }
  if (type === 'array' && (field.json.items as JsonSchema).type === 'string') {
    return [
      new Option(`--${word} <value>`, `${text} Repeatable; '' is none.`).argParser(
        (value, before: readonly string[] = []) => (value === '' ? [] : append(value, before)),
      ),
    ];
  }
  const option = new Option(`--${word} <${placeholder(field)}>`, text);
  if (Array.isArray(choices)) return [option.choices(choices as string[])];
  return [option.argParser((value) => read(field, value))];
}

function placeholder({ json }: Field): string {
  if (json.type === 'integer') return 'number';
  return json.type === 'string' || json.anyOf !== undefined ? 'text' : 'json';
}

const describe = ({ json }: Field): string => String(json.description ?? '').replaceAll('`', "'");

/** `payloadBytes` is `payload-bytes`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function read({ json }: Field, text: string): unknown {
  const { type, minimum, maximum, anyOf } = json;
  if (type === 'integer') {
    return wholeNumber(Number(minimum ?? 0), Number(maximum ?? Number.MAX_SAFE_INTEGER))(text);
  }
  if (type === 'string') return text;
  if (type === 'array' && (json.items as JsonSchema).type === 'string') return text.split(',');
  const plain = (anyOf as readonly JsonSchema[] | undefined)?.find((each) => each.type !== 'null');
  if (plain?.type === 'string') return text === 'null' ? null : text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError('Expected JSON.');
  }
}
