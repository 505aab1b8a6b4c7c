/** The configuration of share groups. */
import { count, milliseconds, section } from './schema-kit.ts';

const MAX_MS = 2 ** 31 - 1;

export const kafkaShareSchema = section('Share groups (KIP-932), as far as a group says nothing else.', {
  sessionTimeoutMs: milliseconds(45_000, 'A member is gone after this long without a heartbeat.', {
    min: 1000,
    max: MAX_MS,
  }),
  heartbeatIntervalMs: milliseconds(5000, 'How often a member says that it is there.', {
    min: 100,
    max: MAX_MS,
  }),
  maxMembers: count(200, 'Most members of a share group.', { min: 1, max: 10_000 }),
  recordLockMs: milliseconds(30_000, 'How long a member has a record before another may have it.', {
    min: 100,
    max: MAX_MS,
  }),
  deliveryCountLimit: count(5, 'How often a record is delivered at most.', { min: 1, max: 1000 }),
  maxRecordLocks: count(2000, 'Most records of a partition that members of a group have at one time.', {
    min: 1,
    max: 65_536,
  }),
  maxSessions: count(2000, 'Most share sessions of all groups.', { min: 1, max: 1_000_000 }),
});
