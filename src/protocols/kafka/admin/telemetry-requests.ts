/** Requests with which clients ask for metrics that are wanted of them, and push them. Anybody may. */
import type { Handler } from '../handlers.ts';
import type { Apis } from '../messages/apis.ts';
import { ErrorCode } from '../messages/errors.ts';

/** The best first: zstd, LZ4, gzip, snappy. */
const COMPRESSIONS = [4, 3, 1, 2];

export const getTelemetrySubscriptions: Handler<(typeof Apis)['getTelemetrySubscriptions']> = (
  kafka,
  { connection, clientId, request },
) => {
  const { telemetry } = kafka;
  const wanted = telemetry.subscribe({
    instanceId: request.clientInstanceId,
    clientId: clientId ?? '',
    address: connection.remoteAddress,
  });
  return {
    throttleTimeMs: 0,
    errorCode: wanted === undefined ? ErrorCode.UNSUPPORTED_VERSION : ErrorCode.NONE,
    clientInstanceId: wanted?.instanceId ?? request.clientInstanceId,
    subscriptionId: wanted?.subscriptionId ?? 0,
    acceptedCompressionTypes: COMPRESSIONS,
    pushIntervalMs: wanted?.intervalMs ?? 0,
    telemetryMaxBytes: telemetry.maxBytes,
    deltaTemporality: true,
    requestedMetrics: wanted?.metrics ?? [],
  };
};

export const pushTelemetry: Handler<(typeof Apis)['pushTelemetry']> = async (
  { telemetry },
  { connection, clientId, request },
) => ({
  throttleTimeMs: 0,
  errorCode: await telemetry.push(
    { instanceId: request.clientInstanceId, clientId: clientId ?? '', address: connection.remoteAddress },
    {
      subscriptionId: request.subscriptionId,
      isTerminating: request.terminating,
      compressionType: request.compressionType,
      metrics: request.metrics,
    },
  ),
});
