/** What a change of settings came to, as answers say it. */
import type { SettingsOutcome } from '../../../kernel/settings-table.ts';
import { ErrorCode } from '../messages/errors.ts';

export interface Answered {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
}

export const GOOD: Answered = { errorCode: ErrorCode.NONE, errorMessage: null };

export function refusalOf(outcome: SettingsOutcome): Answered {
  if (outcome === 'changed') return GOOD;
  return outcome === 'full'
    ? { errorCode: ErrorCode.POLICY_VIOLATION, errorMessage: 'there is no room for more settings' }
    : { errorCode: ErrorCode.KAFKA_STORAGE_ERROR, errorMessage: 'the journal does not take the change' };
}
