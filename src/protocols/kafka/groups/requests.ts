/** Which requests about groups are answered here. */
import type { HandlerTable } from '../handlers.ts';
import { adminHandlers } from './admin-requests.ts';
import { consumerHandlers } from './consumer-requests.ts';
import { memberHandlers } from './member-requests.ts';
import { offsetHandlers } from './offset-requests.ts';

export const groupHandlers: HandlerTable = {
  ...memberHandlers,
  ...offsetHandlers,
  ...adminHandlers,
  ...consumerHandlers,
};
