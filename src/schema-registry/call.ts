/** What every answer starts from: the registry, the request taken apart, and who may do what. */
import { RegistryError } from './errors.ts';
import { subjectOf } from './input.ts';
import type { JsonObject } from './json.ts';
import type { RegistryLimits } from './limits.ts';
import type { Registrations } from './registrations.ts';
import type { Schemas } from './schemas.ts';
import type { Settings } from './settings.ts';
import type { RegistryState } from './state.ts';
import type { SubjectName } from './subject-name.ts';

export type Action = 'read' | 'write' | 'delete' | 'configure';
/** `subject`: '' for the registry as a whole. */
export type Permit = (action: Action, subject: string) => boolean;

export interface Call {
  /** Of the address, what stands for `*`. */
  readonly given: readonly string[];
  readonly query: ReadonlyMap<string, string>;
  readonly body: JsonObject | undefined;
  readonly permit: Permit;
}

export interface Registry {
  readonly state: RegistryState;
  readonly registrations: Registrations;
  readonly settings: Settings;
  readonly schemas: Schemas;
  readonly limits: RegistryLimits;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `*` stands for one step. */
  readonly path: string;
  readonly run: (registry: Registry, call: Call) => unknown;
}

export function demand(call: Call, action: Action, subject: string): void {
  if (!call.permit(action, subject)) {
    throw new RegistryError(
      40301,
      `User is denied operation ${action} on ${subject === '' ? 'the registry' : `subject ${subject}`}`,
    );
  }
}

/** The subject in the address, which the caller may treat so. */
export function permitted({ limits }: Registry, call: Call, action: Action): SubjectName {
  const subject = subjectOf(call.given[0] ?? '', limits);
  demand(call, action, subject.qualified);
  return subject;
}
