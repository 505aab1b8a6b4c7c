/** Metrics that clients push (KIP-714). */
import { array, bool, bytes, int8, int16, int32, string, uuid } from '../schema/fields.ts';
import { message } from '../schema/message.ts';

export const getTelemetrySubscriptionsRequest = message(
  'GetTelemetrySubscriptionsRequest',
  { versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid(),
  },
);

export const getTelemetrySubscriptionsResponse = message(
  'GetTelemetrySubscriptionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    acceptedCompressionTypes: array(int8()),
    pushIntervalMs: int32(),
    telemetryMaxBytes: int32(),
    deltaTemporality: bool(),
    requestedMetrics: array(string()),
  },
);

export const pushTelemetryRequest = message(
  'PushTelemetryRequest',
  { versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    terminating: bool(),
    compressionType: int8(),
    metrics: bytes(),
  },
);

export const pushTelemetryResponse = message(
  'PushTelemetryResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32(),
    errorCode: int16(),
  },
);
