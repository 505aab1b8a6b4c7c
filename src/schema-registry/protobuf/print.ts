/** Writes a file of Protobuf down in one form, without what stands in comments. */
import {
  entryName,
  fieldsByOneof,
  isScalar,
  MAX_ENUM_NUMBER,
  MAX_FIELD_NUMBER,
  type ProtoEnum,
  type ProtoExtension,
  type ProtoField,
  type ProtoFile,
  type ProtoMessage,
  type ProtoOption,
  type ProtoService,
  type Reserved,
} from './model.ts';
import type { ProtoNames } from './names.ts';
import { quoted } from './tokens.ts';

export interface PrintOptions {
  /** In the one form of all files that mean the same: what may stand in any order is sorted, types have their full names. */
  readonly names: ProtoNames | undefined;
}

export function printProto(file: ProtoFile, options: PrintOptions): string {
  const { names } = options;
  const sorted = names !== undefined;
  const lines: string[] = [];
  let indent = '';

  const line = (text: string): void => void lines.push(indent + text);
  const block = (head: string, body: () => void): void => {
    line(`${head} {`);
    indent += '  ';
    body();
    indent = indent.slice(2);
    line('}');
  };
  const typeName = (name: string, scope: string): string => {
    const definition = isScalar(name) ? undefined : names?.resolve(name, scope);
    return definition === undefined ? name : `.${definition.fullName}`;
  };
  const ordered = <T>(items: readonly T[], by: (item: T) => string | number): readonly T[] =>
    sorted ? items.toSorted((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0)) : items;

  function printOptions(list: readonly ProtoOption[]): void {
    for (const { name, value } of ordered(list, ({ name }) => name)) line(`option ${name} = ${value};`);
  }

  function brackets(list: readonly ProtoOption[]): string {
    if (list.length === 0) return '';
    return ` [${ordered(list, ({ name }) => name)
      .map(({ name, value }) => `${name} = ${value}`)
      .join(', ')}]`;
  }

  function printReserved({ ranges, names }: Reserved, max: number): void {
    for (const { first, last } of ordered(ranges, ({ first }) => first)) {
      line(`reserved ${first === last ? first : `${first} to ${last === max ? 'max' : last}`};`);
    }
    for (const name of ordered(names, (name) => name)) line(`reserved ${quoted(name)};`);
  }

  function printField(field: ProtoField, groups: readonly ProtoMessage[], scope: string): void {
    const { label, type, map, name, number, options: list } = field;
    const head = label === undefined ? '' : `${label} `;
    if (field.isGroup) {
      const group = groups.find(({ name, isGroup }) => isGroup && name === type);
      if (group === undefined) return;
      block(`${head}group ${type} = ${number}${brackets(list)}`, () => printBody(group, joined(scope, type)));
      return;
    }
    const shown =
      map === undefined ? typeName(type, scope) : `map<${map.key}, ${typeName(map.value, scope)}>`;
    line(`${head}${shown} ${name} = ${number}${brackets(list)};`);
  }

  function printBody(message: ProtoMessage, scope: string): void {
    printOptions(message.options);
    printReserved(message.reserved, MAX_FIELD_NUMBER);
    for (const { first, last } of message.extensionRanges) {
      line(
        `extensions ${first === last ? first : `${first} to ${last === MAX_FIELD_NUMBER ? 'max' : last}`};`,
      );
    }
    const fields = ordered(message.fields, ({ number }) => number);
    const single = fields.filter(({ oneof, map }) => oneof === undefined && map === undefined);
    for (const field of single) printField(field, message.messages, scope);
    const chosen = fieldsByOneof(fields);
    for (const { name, options: list } of ordered(message.oneofs, ({ name }) => name)) {
      block(`oneof ${name}`, () => {
        printOptions(list);
        for (const field of chosen.get(name) ?? []) printField(field, message.messages, scope);
      });
    }
    // Maps and messages in their order: serializers find messages by it, and count the entries of maps.
    const maps = new Map(
      fields.filter(({ map }) => map !== undefined).map((field) => [entryName(field.name), field]),
    );
    const messages = new Map(
      message.messages.filter(({ isGroup }) => !isGroup).map((each) => [each.name, each]),
    );
    for (const name of message.nested) {
      const field = maps.get(name);
      const nested = messages.get(name);
      if (field !== undefined) printField(field, message.messages, scope);
      else if (nested !== undefined) printMessage(nested, scope);
    }
    for (const each of message.enums) printEnum(each);
    for (const each of message.extensions) printExtension(each, message.messages, scope);
  }

  function printMessage(message: ProtoMessage, scope: string): void {
    block(`message ${message.name}`, () => printBody(message, joined(scope, message.name)));
  }

  function printEnum({ name, values, reserved, options: list }: ProtoEnum): void {
    block(`enum ${name}`, () => {
      printOptions(list);
      printReserved(reserved, MAX_ENUM_NUMBER);
      for (const value of values) line(`${value.name} = ${value.number}${brackets(value.options)};`);
    });
  }

  function printExtension(
    { of, fields }: ProtoExtension,
    groups: readonly ProtoMessage[],
    scope: string,
  ): void {
    block(`extend ${typeName(of, scope)}`, () => {
      for (const field of fields) printField(field, groups, scope);
    });
  }

  function printService({ name, methods, options: list }: ProtoService): void {
    block(`service ${name}`, () => {
      printOptions(list);
      for (const method of methods) {
        const input = `${method.isInputStream ? 'stream ' : ''}${typeName(method.input, file.package)}`;
        const output = `${method.isOutputStream ? 'stream ' : ''}${typeName(method.output, file.package)}`;
        const head = `rpc ${method.name} (${input}) returns (${output})`;
        if (method.options.length === 0) line(`${head};`);
        else block(head, () => printOptions(method.options));
      }
    });
  }

  line(
    file.syntax === 'editions' ? `edition = ${quoted(file.edition ?? '')};` : `syntax = "${file.syntax}";`,
  );
  if (file.package !== '') line(`package ${file.package};`);
  for (const { path, kind } of ordered(file.imports, ({ path }) => path)) {
    line(`import ${kind === 'plain' ? '' : `${kind} `}${quoted(path)};`);
  }
  printOptions(file.options);
  // In their order: serializers find messages by it.
  for (const message of file.messages) if (!message.isGroup) printMessage(message, file.package);
  for (const each of file.enums) printEnum(each);
  for (const each of file.extensions) printExtension(each, file.messages, file.package);
  for (const service of file.services) printService(service);
  return `${lines.join('\n')}\n`;
}

const joined = (scope: string, name: string): string => (scope === '' ? name : `${scope}.${name}`);
