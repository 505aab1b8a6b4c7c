/** Which requests about producers and transactions are answered here. */
import type { HandlerTable } from '../handlers.ts';
import { transactionAdminHandlers } from './admin-requests.ts';
import { transactionHandlers } from './transaction-requests.ts';

export const producerHandlers: HandlerTable = { ...transactionHandlers, ...transactionAdminHandlers };
