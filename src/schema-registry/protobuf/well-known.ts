/** Files that come with Protobuf and its libraries: whoever imports them need not register them. */
export interface WellKnownFile {
  readonly package: string;
  readonly imports: readonly string[];
  /** Nested ones with their dots. */
  readonly types: readonly { readonly name: string; readonly isEnum: boolean }[];
}

interface Listed {
  readonly package: string;
  readonly messages: string;
  readonly enums?: string;
  readonly imports?: readonly string[];
}

const PROTOBUF = 'google.protobuf';
const TYPE = 'google.type';

const FILES: ReadonlyMap<string, Listed> = new Map<string, Listed>([
  ['google/protobuf/any.proto', { package: PROTOBUF, messages: 'Any' }],
  [
    'google/protobuf/api.proto',
    {
      package: PROTOBUF,
      messages: 'Api Method Mixin',
      imports: ['google/protobuf/source_context.proto', 'google/protobuf/type.proto'],
    },
  ],
  [
    'google/protobuf/descriptor.proto',
    {
      package: PROTOBUF,
      messages:
        'FileDescriptorSet FileDescriptorProto DescriptorProto DescriptorProto.ExtensionRange DescriptorProto.ReservedRange ' +
        'ExtensionRangeOptions FieldDescriptorProto OneofDescriptorProto EnumDescriptorProto EnumDescriptorProto.EnumReservedRange ' +
        'EnumValueDescriptorProto ServiceDescriptorProto MethodDescriptorProto FileOptions MessageOptions FieldOptions OneofOptions ' +
        'EnumOptions EnumValueOptions ServiceOptions MethodOptions UninterpretedOption UninterpretedOption.NamePart FeatureSet ' +
        'FeatureSetDefaults SourceCodeInfo SourceCodeInfo.Location GeneratedCodeInfo GeneratedCodeInfo.Annotation',
      enums:
        'Edition FieldDescriptorProto.Type FieldDescriptorProto.Label FileOptions.OptimizeMode FieldOptions.CType FieldOptions.JSType ' +
        'MethodOptions.IdempotencyLevel',
    },
  ],
  ['google/protobuf/duration.proto', { package: PROTOBUF, messages: 'Duration' }],
  ['google/protobuf/empty.proto', { package: PROTOBUF, messages: 'Empty' }],
  ['google/protobuf/field_mask.proto', { package: PROTOBUF, messages: 'FieldMask' }],
  ['google/protobuf/source_context.proto', { package: PROTOBUF, messages: 'SourceContext' }],
  [
    'google/protobuf/struct.proto',
    { package: PROTOBUF, messages: 'Struct Value ListValue', enums: 'NullValue' },
  ],
  ['google/protobuf/timestamp.proto', { package: PROTOBUF, messages: 'Timestamp' }],
  [
    'google/protobuf/type.proto',
    {
      package: PROTOBUF,
      messages: 'Type Field Enum EnumValue Option',
      enums: 'Syntax Field.Kind Field.Cardinality',
      imports: ['google/protobuf/any.proto', 'google/protobuf/source_context.proto'],
    },
  ],
  [
    'google/protobuf/wrappers.proto',
    {
      package: PROTOBUF,
      messages:
        'DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue',
    },
  ],
  ['google/type/calendar_period.proto', { package: TYPE, messages: '', enums: 'CalendarPeriod' }],
  [
    'google/type/color.proto',
    { package: TYPE, messages: 'Color', imports: ['google/protobuf/wrappers.proto'] },
  ],
  ['google/type/date.proto', { package: TYPE, messages: 'Date' }],
  [
    'google/type/datetime.proto',
    { package: TYPE, messages: 'DateTime TimeZone', imports: ['google/protobuf/duration.proto'] },
  ],
  ['google/type/dayofweek.proto', { package: TYPE, messages: '', enums: 'DayOfWeek' }],
  ['google/type/decimal.proto', { package: TYPE, messages: 'Decimal' }],
  ['google/type/expr.proto', { package: TYPE, messages: 'Expr' }],
  ['google/type/fraction.proto', { package: TYPE, messages: 'Fraction' }],
  [
    'google/type/interval.proto',
    { package: TYPE, messages: 'Interval', imports: ['google/protobuf/timestamp.proto'] },
  ],
  ['google/type/latlng.proto', { package: TYPE, messages: 'LatLng' }],
  ['google/type/localized_text.proto', { package: TYPE, messages: 'LocalizedText' }],
  ['google/type/money.proto', { package: TYPE, messages: 'Money' }],
  ['google/type/month.proto', { package: TYPE, messages: '', enums: 'Month' }],
  ['google/type/phone_number.proto', { package: TYPE, messages: 'PhoneNumber PhoneNumber.ShortCode' }],
  ['google/type/postal_address.proto', { package: TYPE, messages: 'PostalAddress' }],
  ['google/type/quaternion.proto', { package: TYPE, messages: 'Quaternion' }],
  ['google/type/timeofday.proto', { package: TYPE, messages: 'TimeOfDay' }],
  [
    'confluent/meta.proto',
    { package: 'confluent', messages: 'Meta', imports: ['google/protobuf/descriptor.proto'] },
  ],
  [
    'confluent/type/decimal.proto',
    { package: 'confluent.type', messages: 'Decimal', imports: ['confluent/meta.proto'] },
  ],
]);

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

export function wellKnownTypes(path: string): WellKnownFile | undefined {
  const listed = FILES.get(path);
  if (listed === undefined) return undefined;
  return {
    package: listed.package,
    imports: listed.imports ?? [],
    types: [
      ...words(listed.messages).map((name) => ({ name, isEnum: false })),
      ...words(listed.enums ?? '').map((name) => ({ name, isEnum: true })),
    ],
  };
}
