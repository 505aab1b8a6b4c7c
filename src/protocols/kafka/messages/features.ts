/** Finalized features. */
import { bool, int8, int16, int32, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const updateFeaturesRequest = message(
  'UpdateFeaturesRequest',
  { versions: '0-2', flexible: '0+' },
  {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: structs({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ in: '0' }),
      upgradeType: int8({ in: '1+', default: 1 }),
    }),
    validateOnly: bool({ in: '1+', default: false }),
  },
);

export const updateFeaturesResponse = message(
  'UpdateFeaturesResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    results: structs(
      {
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ entity: 'message', nullable: '0+' }),
      },
      { in: '0-1' },
    ),
  },
);
