/**
 * Names of subjects. A subject is in a context, which has identifiers of its own: `:.context:subject`. Without that prefix
 * it is in the context `.`.
 */
export const DEFAULT_CONTEXT = '.';

export interface SubjectName {
  readonly context: string;
  /** As it is kept and shown: with its context, unless that is the default. */
  readonly qualified: string;
  /** Without its context; '' stands for the context as a whole. */
  readonly plain: string;
}

const QUALIFIED = /^:(\.[^:]*):(.*)$/s;

export function subjectName(given: string, parent: string = DEFAULT_CONTEXT): SubjectName {
  const [, context = parent, plain = given] = QUALIFIED.exec(given) ?? [];
  return {
    context,
    plain,
    qualified: context === DEFAULT_CONTEXT ? plain : `:${context}:${plain}`,
  };
}

export const contextOf = (subject: string): string => subjectName(subject).context;

/** What settings of the context as a whole are kept under; those of the default context are the global ones. */
export const contextScope = (context: string): string =>
  context === DEFAULT_CONTEXT ? GLOBAL : `:${context}:`;

/** Of settings. */
export const GLOBAL = '';
