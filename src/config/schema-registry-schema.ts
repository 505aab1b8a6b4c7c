/** The configuration of the schema registry. */
import { boolean, bytes, choice, count, section } from './schema-kit.ts';

const MiB = 1024 * 1024;
export const COMPATIBILITY_LEVELS = [
  'NONE',
  'BACKWARD',
  'BACKWARD_TRANSITIVE',
  'FORWARD',
  'FORWARD_TRANSITIVE',
  'FULL',
  'FULL_TRANSITIVE',
] as const;

export const schemaRegistrySchema = section('The schema registry, for serializers of Kafka.', {
  enabled: boolean(true, 'Whether there is one.'),
  compatibility: choice(
    COMPATIBILITY_LEVELS,
    'BACKWARD',
    'What new schemas have to be where nothing else was set through its API.',
  ),
  maxSchemas: count(100_000, 'Most schemas.', { min: 1, max: 10_000_000 }),
  maxVersions: count(200_000, 'Most versions of all subjects together.', { min: 1, max: 10_000_000 }),
  maxSchemaBytes: bytes(MiB, 'Largest schema, and largest body of a request.', { min: 1024, max: 4 * MiB }),
  maxBytes: bytes(256 * MiB, 'Memory of all schemas.', { min: MiB }),
});
