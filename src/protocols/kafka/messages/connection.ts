/** What a connection opens with: versions, and who it is. */
import { array, bool, bytes, int16, int32, int64, string, structs } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const apiVersionsRequest = message(
  'ApiVersionsRequest',
  { versions: '0-4', flexible: '3+' },
  {
    clientSoftwareName: string({ in: '3+' }),
    clientSoftwareVersion: string({ in: '3+' }),
  },
);

export const apiVersionsResponse = message(
  'ApiVersionsResponse',
  { versions: '0-4', flexible: '3+' },
  {
    errorCode: int16(),
    apiKeys: structs({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ in: '1+' }),
    supportedFeatures: structs(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { in: '3+', tag: 0 },
    ),
    finalizedFeaturesEpoch: int64({ in: '3+', tag: 1, default: -1 }),
    finalizedFeatures: structs(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { in: '3+', tag: 2 },
    ),
    zkMigrationReady: bool({ in: '3+', tag: 3, default: false }),
  },
);

export const saslHandshakeRequest = message(
  'SaslHandshakeRequest',
  { versions: '0-1', flexible: 'none' },
  {
    mechanism: string(),
  },
);

export const saslHandshakeResponse = message(
  'SaslHandshakeResponse',
  { versions: '0-1', flexible: 'none' },
  {
    errorCode: int16(),
    mechanisms: array(string()),
  },
);

export const saslAuthenticateRequest = message(
  'SaslAuthenticateRequest',
  { versions: '0-2', flexible: '2+' },
  {
    authBytes: bytes(),
  },
);

export const saslAuthenticateResponse = message(
  'SaslAuthenticateResponse',
  { versions: '0-2', flexible: '2+' },
  {
    errorCode: int16(),
    errorMessage: string({ entity: 'message', nullable: '0+' }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ in: '1+', default: 0 }),
  },
);
