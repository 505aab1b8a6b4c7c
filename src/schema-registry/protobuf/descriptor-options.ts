/** Options of Protobuf's own in descriptors. Options that somebody else defined need their definition, and are left out there. */
import type { ProtoOption } from './model.ts';
import { quoted, unquoted } from './tokens.ts';
import { type WireWriter, wireFields } from './wire.ts';

interface Known {
  readonly name: string;
  readonly kind: 'flag' | 'text' | 'choice';
  /** By their numbers. */
  readonly choices?: Readonly<Record<number, string>>;
}
export type KnownOptions = ReadonlyMap<number, Known>;

const flag = (name: string): Known => ({ name, kind: 'flag' });
const text = (name: string): Known => ({ name, kind: 'text' });
const choice = (name: string, choices: Readonly<Record<number, string>>): Known => ({
  name,
  kind: 'choice',
  choices,
});

export const FILE_OPTIONS: KnownOptions = new Map([
  [1, text('java_package')],
  [8, text('java_outer_classname')],
  [9, choice('optimize_for', { 1: 'SPEED', 2: 'CODE_SIZE', 3: 'LITE_RUNTIME' })],
  [10, flag('java_multiple_files')],
  [11, text('go_package')],
  [16, flag('cc_generic_services')],
  [17, flag('java_generic_services')],
  [18, flag('py_generic_services')],
  [20, flag('java_generate_equals_and_hash')],
  [23, flag('deprecated')],
  [27, flag('java_string_check_utf8')],
  [31, flag('cc_enable_arenas')],
  [36, text('objc_class_prefix')],
  [37, text('csharp_namespace')],
  [39, text('swift_prefix')],
  [40, text('php_class_prefix')],
  [41, text('php_namespace')],
  [44, text('php_metadata_namespace')],
  [45, text('ruby_package')],
]);
export const MESSAGE_OPTIONS: KnownOptions = new Map([
  [1, flag('message_set_wire_format')],
  [2, flag('no_standard_descriptor_accessor')],
  [3, flag('deprecated')],
]);
export const FIELD_OPTIONS: KnownOptions = new Map([
  [1, choice('ctype', { 0: 'STRING', 1: 'CORD', 2: 'STRING_PIECE' })],
  [2, flag('packed')],
  [3, flag('deprecated')],
  [5, flag('lazy')],
  [6, choice('jstype', { 0: 'JS_NORMAL', 1: 'JS_STRING', 2: 'JS_NUMBER' })],
  [10, flag('weak')],
  [15, flag('unverified_lazy')],
  [16, flag('debug_redact')],
]);
export const ENUM_OPTIONS: KnownOptions = new Map([
  [2, flag('allow_alias')],
  [3, flag('deprecated')],
]);
export const ENUM_VALUE_OPTIONS: KnownOptions = new Map([
  [1, flag('deprecated')],
  [3, flag('debug_redact')],
]);
export const SERVICE_OPTIONS: KnownOptions = new Map([[33, flag('deprecated')]]);
export const METHOD_OPTIONS: KnownOptions = new Map([
  [33, flag('deprecated')],
  [34, choice('idempotency_level', { 0: 'IDEMPOTENCY_UNKNOWN', 1: 'NO_SIDE_EFFECTS', 2: 'IDEMPOTENT' })],
]);

export function decodeOptions(bytes: Uint8Array, known: KnownOptions): ProtoOption[] {
  const options: ProtoOption[] = [];
  for (const { number, value, bytes: content } of wireFields(bytes)) {
    const option = known.get(number);
    if (option === undefined) continue;
    const { name, kind, choices } = option;
    if (kind === 'flag') options.push({ name, value: value === 0n ? 'false' : 'true' });
    else if (kind === 'text') options.push({ name, value: quoted(Buffer.from(content).toString()) });
    else options.push({ name, value: choices?.[Number(value)] ?? String(value) });
  }
  return options;
}

/** Adds a message with the options; nothing without any. */
export function encodeOptions(
  to: WireWriter,
  field: number,
  options: readonly ProtoOption[],
  known: KnownOptions,
): void {
  const numbered = [...known].flatMap(([number, option]) => {
    const given = options.find(({ name }) => name === option.name);
    return given === undefined ? [] : [{ number, option, value: given.value }];
  });
  if (numbered.length === 0) return;
  to.each(field, [numbered], (nested) => {
    for (const { number, option, value } of numbered) {
      if (option.kind === 'text') nested.text(number, unquoted(value));
      else if (option.kind === 'flag') nested.number(number, value === 'true' ? 1 : 0);
      else {
        const chosen = Object.entries(option.choices ?? {}).find(([, name]) => name === value);
        if (chosen !== undefined) nested.number(number, Number(chosen[0]));
      }
    }
  });
}
