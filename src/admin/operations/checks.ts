/** Questions about a node that are answered with yes or no, by name: for load balancers, orchestrators and scripts. */
import { OperationError, operation } from '../operation.ts';
import { boolean, type Infer, list, object, string } from '../schema.ts';

const checkView = object({
  check: string('What was asked.'),
  isOk: boolean('Whether that is so.'),
  message: string('Why, or why not.'),
});
export type CheckView = Infer<typeof checkView>;

/** What can be asked, and what a good answer says. */
export const CHECKS = {
  ready: 'the node serves clients: it has started, does not stop, and its health is not red',
  alarms: 'no alarm is active',
  disk: 'publishers are not refused for want of space',
  journal: 'the journal takes what is written',
  memory: 'memory is below its watermark',
  connections: 'there is room for one more connection',
  'listener:NAME': 'the listener of that name is open',
  'certificates:DAYS': 'no certificate ends within so many days; 14 without a number',
} as const;

export interface ChecksView {
  /** Undefined where there is no such check. */
  check(name: string): CheckView | undefined;
}

const MAX_CHECKS = 32;

/** Throws an OperationError. */
export function runChecks({ check }: ChecksView, names: string): readonly CheckView[] {
  const all = names.split(',').filter((name) => name !== '');
  if (all.length === 0 || all.length > MAX_CHECKS) {
    throw new OperationError(400, 'invalid-input', `from 1 to ${MAX_CHECKS} checks, with commas`);
  }
  return all.map((name) => {
    const result = check(name);
    if (result !== undefined) return result;
    const known = Object.keys(CHECKS).join(', ');
    throw new OperationError(
      400,
      'invalid-input',
      `there is no check ${JSON.stringify(name)}; there are ${known}`,
    );
  });
}

export const checkOperations = {
  checksRun: operation({
    id: 'checks.run',
    method: 'GET',
    path: '/checks',
    summary: `Answers checks by name: ${Object.entries(CHECKS)
      .map(([name, meaning]) => `\`${name}\` (${meaning})`)
      .join(', ')}.`,
    scope: 'status:read',
    audit: 'none',
    queryParameters: {
      checks: string('Which, with commas; `ready` where it is missing.', { maxLength: 2048 }),
    },
    output: object({
      isOk: boolean('Whether all are.'),
      checks: list(checkView, 'Each of them.'),
    }),
    run: async (node, { checks = 'ready' }) => {
      const results = runChecks(node.checks, checks);
      return { isOk: results.every(({ isOk }) => isOk), checks: results };
    },
  }),
};
