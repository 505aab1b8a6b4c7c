/** Which versions of which APIs there are, and which features. Said of what is served and of nothing else. */
import { type Api, Apis } from './messages/apis.ts';
import { ErrorCode } from './messages/errors.ts';
import { encodeResponse } from './messages/frame.ts';
import type { In } from './schema/message.ts';
import { includes } from './schema/versions.ts';
import type { WireWriter } from './schema/writer.ts';

type ApiVersionsAnswer = In<(typeof Apis)['apiVersions']['response']>;

/** Clients use a feature when its level is finalized, and they do so by these numbers. */
export const FEATURES = [
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

const VERSION_AT = 2;
const CORRELATION_AT = 4;

/** A request for versions in a version of its own that there is not. */
export const isUnknownApiVersions = (frame: Buffer): boolean =>
  frame.readInt16BE(0) === Apis.apiVersions.key &&
  !includes(Apis.apiVersions.versions, frame.readInt16BE(VERSION_AT));

/**
 * Answers it in version 0, which everybody knows: which ones to try. Nothing of the request is looked at but its number: what
 * its version has, we do not know.
 */
export function unknownApiVersionsAnswer(writer: WireWriter, frame: Buffer): readonly Uint8Array[] {
  const { apiVersions } = Apis;
  return encodeResponse(writer, apiVersions, 0, frame.readInt32BE(CORRELATION_AT), {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [rangeOf(apiVersions)],
  });
}
