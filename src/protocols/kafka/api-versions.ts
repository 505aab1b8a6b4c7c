/** Which versions of which APIs there are, and which features. Said of what is served and of nothing else. */
import type { Api, Apis } from './messages/apis.ts';
import { ErrorCode } from './messages/errors.ts';
import type { In } from './schema/message.ts';

type ApiVersionsAnswer = In<(typeof Apis)['apiVersions']['response']>;

/** Clients use a feature when its level is finalized, and they do so by these numbers. */
const FEATURES = [
  { name: 'group.version', api: 'ConsumerGroupHeartbeat', level: 1 },
  { name: 'share.version', api: 'ShareFetch', level: 1 },
  { name: 'transaction.version', api: 'EndTxn', level: 2 },
] as const;
/** Ignored by clients while it is negative. */
const FEATURES_EPOCH = 1;
/** Older versions cannot say that a feature may be off. */
const LEVEL_ZERO_SINCE = 4;
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
const SOFTWARE_SINCE = 3;

const rangeOf = ({ key, versions }: Api) => ({
  apiKey: key,
  minVersion: versions.first,
  maxVersion: versions.last,
});

export interface ClientSoftware {
  readonly clientSoftwareName: string;
  readonly clientSoftwareVersion: string;
}

export function apiVersionsAnswer(
  served: readonly Api[],
  version: number,
  client: ClientSoftware,
): ApiVersionsAnswer {
  const isNamed =
    SOFTWARE_NAME.test(client.clientSoftwareName) && SOFTWARE_NAME.test(client.clientSoftwareVersion);
  if (version >= SOFTWARE_SINCE && !isNamed) return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] };
  const features = FEATURES.filter(({ api }) => served.some(({ name }) => name === api));
  return {
    errorCode: ErrorCode.NONE,
    apiKeys: served.map(rangeOf).sort((a, b) => a.apiKey - b.apiKey),
    supportedFeatures:
      version < LEVEL_ZERO_SINCE
        ? []
        : features.map(({ name, level }) => ({ name, minVersion: 0, maxVersion: level })),
    finalizedFeaturesEpoch: FEATURES_EPOCH,
    finalizedFeatures: features.map(({ name, level }) => ({
      name,
      maxVersionLevel: level,
      minVersionLevel: level,
    })),
  };
}

/** To a version that we do not know, in version 0, which everybody knows: which ones to try. */
export const unsupportedApiVersions = (api: Api): ApiVersionsAnswer => ({
  errorCode: ErrorCode.UNSUPPORTED_VERSION,
  apiKeys: [rangeOf(api)],
});
