/** Levels of features. They are those of the program: asking for the level that there is succeeds, for another it does not. */
import { FEATURES } from '../api-versions.ts';
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';
import { type Answered, GOOD } from '../security/refusals.ts';
import { CLUSTER, Operation, ResourceType } from '../security/vocabulary.ts';

/** Later versions say one thing for all updates together. */
const EACH_UNTIL = 1;

function outcomeOf(feature: string, level: number): Answered {
  const known = FEATURES.find(({ name }) => name === feature);
  if (known === undefined) {
    return { errorCode: ErrorCode.INVALID_UPDATE_VERSION, errorMessage: `there is no feature ${feature}` };
  }
  if (known.level === level) return GOOD;
  const errorMessage = `${feature} has level ${known.level}, and no other here`;
  return { errorCode: ErrorCode.INVALID_UPDATE_VERSION, errorMessage };
}

export const updateFeatures: Handler<(typeof Apis)['updateFeatures']> = (
  kafka,
  { connection, request, version },
) => {
  if (!kafka.authorizer.allows(connection, Operation.Alter, ResourceType.Cluster, CLUSTER)) {
    return { throttleTimeMs: 0, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, errorMessage: null };
  }
  const results = request.featureUpdates.map(({ feature, maxVersionLevel }) => ({
    feature,
    ...outcomeOf(feature, maxVersionLevel),
  }));
  const failed = results.find(({ errorCode }) => errorCode !== ErrorCode.NONE);
  if (version <= EACH_UNTIL || failed === undefined) return { throttleTimeMs: 0, ...GOOD, results };
  const { errorCode, errorMessage } = failed;
  return { throttleTimeMs: 0, errorCode, errorMessage, results: [] };
};
