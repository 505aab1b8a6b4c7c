/** Which requests about share groups are answered here. */
import type { HandlerTable } from '../handlers.ts';
import { shareAcknowledge } from './acknowledge.ts';
import { shareFetch } from './fetch.ts';
import { shareGroupDescribe, shareGroupHeartbeat } from './group-requests.ts';
import { shareOffsetHandlers } from './offset-requests.ts';

export const shareHandlers: HandlerTable = {
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  ...shareOffsetHandlers,
};
