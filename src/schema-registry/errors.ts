/** Answers other than success, with the codes that clients of registries know. */
export class RegistryError extends Error {
  readonly status: number;
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
    this.status = code >= 1000 ? Math.floor(code / 100) : code;
  }
}

/** Its subjects, identifiers and settings would not be kept apart. */
export const ofNode = (): RegistryError =>
  new RegistryError(40301, "User is denied: this registry is the node's, and tenants have no schemas in it");

export const subjectNotFound = (subject: string): RegistryError =>
  new RegistryError(40401, `Subject '${subject}' not found.`);
export const versionNotFound = (version: number | string): RegistryError =>
  new RegistryError(40402, `Version ${version} not found.`);
export const schemaNotFound = (what?: number | string): RegistryError =>
  new RegistryError(40403, what === undefined ? 'Schema not found' : `Schema ${what} not found`);
export const invalidSchema = (why: string): RegistryError => new RegistryError(42201, why);
export const notPermitted = (why: string): RegistryError => new RegistryError(42205, why);
