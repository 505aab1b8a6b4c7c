/** The numbers of the protocol for who may do what with what. */

export const Operation = {
  Unknown: 0,
  Any: 1,
  All: 2,
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  ClusterAction: 9,
  DescribeConfigs: 10,
  AlterConfigs: 11,
  IdempotentWrite: 12,
  CreateTokens: 13,
  DescribeTokens: 14,
  TwoPhaseCommit: 15,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

export const ResourceType = {
  Unknown: 0,
  Any: 1,
  Topic: 2,
  Group: 3,
  Cluster: 4,
  TransactionalId: 5,
  DelegationToken: 6,
  User: 7,
} as const;
export type ResourceType = (typeof ResourceType)[keyof typeof ResourceType];

export const PatternType = { Unknown: 0, Any: 1, Match: 2, Literal: 3, Prefixed: 4 } as const;
export type PatternType = (typeof PatternType)[keyof typeof PatternType];

export const Permission = { Unknown: 0, Any: 1, Deny: 2, Allow: 3 } as const;
export type Permission = (typeof Permission)[keyof typeof Permission];

/** The only resource of type cluster. */
export const CLUSTER = 'kafka-cluster';

/** Of operations, by their numbers. */
export const bits = (...operations: Operation[]): number =>
  operations.reduce<number>((all, one) => all | (1 << one), 0);

const { Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs } = Operation;
const { ClusterAction, IdempotentWrite, CreateTokens, DescribeTokens, TwoPhaseCommit } = Operation;

/** Operations that mean something for a type: bits by their numbers, as answers with authorized operations have them. */
const MEANINGFUL: Readonly<Record<ResourceType, number>> = {
  [ResourceType.Unknown]: 0,
  [ResourceType.Any]: 0,
  [ResourceType.Topic]: bits(Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs),
  [ResourceType.Group]: bits(Read, Delete, Describe, DescribeConfigs, AlterConfigs),
  [ResourceType.Cluster]: bits(
    Create,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
  ),
  [ResourceType.TransactionalId]: bits(Describe, Write, TwoPhaseCommit),
  [ResourceType.DelegationToken]: bits(Describe),
  [ResourceType.User]: bits(CreateTokens, DescribeTokens),
};

export const meaningfulOperations = (type: ResourceType): number => MEANINGFUL[type];

/** What `all` stands for. */
export const EVERY_OPERATION = bits(
  ...Object.values(Operation).filter((operation) => operation > Operation.All),
);

const DENIED_SHIFT = 16;
const ALLOWED_MASK = 0xffff;

/** What rules say of operations, in one number: bits of those that they allow, and of those that they deny. */
export const allowing = (allowed: number, denied: number): number => allowed | (denied << DENIED_SHIFT);
export const allowedIn = (said: number): number => said & ALLOWED_MASK;
export const deniedIn = (said: number): number => said >>> DENIED_SHIFT;
