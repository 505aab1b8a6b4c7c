import type { ClassicGroup } from './classic-group.ts';
import type { ConsumerGroup } from './consumer-group.ts';

/** Of the classic protocol, or of KIP-848's. */
export type Group = ClassicGroup | ConsumerGroup;
