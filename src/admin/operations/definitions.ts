/** Definitions as one document: users, roles, keys, bans, and of Kafka access control lists, quotas, topics and schemas. */
import type { NodeScope } from '../../security/authorization/scopes.ts';
import type { Caller } from '../caller.ts';
import { OperationError, operation } from '../operation.ts';
import { boolean, type Infer, list, object, oneOf, type Schema, string } from '../schema.ts';

/** What the sections of a document are called, and what may see and change them. */
const SCOPES = {
  users: ['users:read', 'users:write'],
  roles: ['roles:read', 'roles:write'],
  apiKeys: ['keys:read', 'keys:write'],
  bans: ['bans:read', 'bans:write'],
  kafkaAcls: ['users:read', 'users:write'],
  kafkaQuotas: ['users:read', 'users:write'],
  kafkaTopics: ['topics:read', 'topics:write'],
  schemaContexts: ['schemas:read', 'schemas:write'],
  schemas: ['schemas:read', 'schemas:write'],
  schemaSettings: ['schemas:read', 'schemas:write'],
} as const satisfies Record<string, readonly [NodeScope, NodeScope]>;

export type DefinitionSection = keyof typeof SCOPES;
const ALL = Object.keys(SCOPES) as DefinitionSection[];
export const MAX_DEFINITIONS_BYTES = 16 * 1024 * 1024;
const MAX_STEPS = 1_000_000;

const step = object({
  section: string('Section.'),
  name: string('Of what.'),
  action: oneOf(['create', 'update', 'same', 'skip', 'conflict'], 'What is done with it.'),
  reason: string('Why it cannot be; of a conflict.'),
});

const report = object({
  isApplied: boolean('Whether the node was changed.'),
  steps: list(step, 'What the document comes to here.', { maxItems: MAX_STEPS }),
});
export type DefinitionsReport = Infer<typeof report>;

export interface ImportRequest {
  readonly definitions: unknown;
  readonly only: readonly DefinitionSection[];
  readonly isDryRun: boolean;
  readonly onConflict: 'fail' | 'skip' | 'replace';
}

export interface DefinitionsView {
  export(only: readonly DefinitionSection[]): Promise<object>;
  /** Rejects with an OperationError where nothing was changed. */
  import(request: ImportRequest): Promise<DefinitionsReport>;
}

/** Any JSON; who takes it looks at it. */
const anything = (description: string, isSecret: boolean): Schema<unknown> => ({
  json: { type: 'object', description, ...(isSecret ? { writeOnly: true } : {}) },
  fromJson: (value) => value,
});

/** Besides the scope of the operation: nobody sees or makes here what they may not see or make one by one. */
function allowed(only: readonly DefinitionSection[], { may, tenant }: Caller, at: 0 | 1): void {
  if (tenant !== '') throw new OperationError(403, 'forbidden', 'definitions are those of the whole node');
  const denied = only.find((section) => !may(SCOPES[section][at]));
  if (denied === undefined) return;
  throw new OperationError(403, 'forbidden', `${denied} need the scope ${SCOPES[denied][at]}`);
}

function sectionsOf(text: string | undefined): readonly DefinitionSection[] {
  if (text === undefined) return ALL;
  return text.split(',').map((name) => {
    const known = ALL.find((each) => each === name);
    if (known !== undefined) return known;
    throw new OperationError(
      400,
      'invalid-input',
      `there is no section ${JSON.stringify(name)}; there are ${ALL.join(', ')}`,
    );
  });
}

const only = string(`Sections, with commas: ${ALL.join(', ')}. All where it is missing.`, { maxLength: 200 });

export const definitionOperations = {
  definitionsExport: operation({
    id: 'definitions.export',
    method: 'GET',
    path: '/definitions',
    summary:
      'Users, roles, API keys, bans, and of Kafka access control lists, quotas, topics and schemas, as one document; of what logs in only verifiers and hashes.',
    scope: 'backup:read',
    audit: 'data',
    queryParameters: { only },
    output: anything('The document.', false),
    async run(node, input, { caller }) {
      const sections = sectionsOf(input.only);
      allowed(sections, caller, 0);
      return node.definitions.export(sections);
    },
  }),
  definitionsImport: operation({
    id: 'definitions.import',
    method: 'POST',
    path: '/definitions:import',
    summary: 'Takes in such a document, as a whole or not at all. What is not in it stays.',
    scope: 'backup:write',
    audit: 'change',
    maxBodyBytes: MAX_DEFINITIONS_BYTES,
    body: object(
      { definitions: anything('The document.', true) },
      {
        only,
        dryRun: boolean('Only says what would be done.'),
        onConflict: oneOf(
          ['fail', 'skip', 'replace'],
          'With what is there and different: refuse everything, leave it as it is, or put what the document has in its place.',
        ),
      },
    ),
    output: report,
    async run(node, { body }, { caller }) {
      const sections = sectionsOf(body.only);
      // Of the document only what is in it is asked for.
      const inDocument = sections.filter((name) => Object.hasOwn(Object(body.definitions), name));
      allowed(inDocument, caller, 1);
      return node.definitions.import({
        definitions: body.definitions,
        only: inDocument,
        isDryRun: body.dryRun === true,
        onConflict: body.onConflict ?? 'fail',
      });
    },
  }),
};
