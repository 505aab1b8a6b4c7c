// Messages that durable sessions keep, gathered while input is scanned: bodies one behind the other, as the message store
// has them (src/kernel/message-store/body.ts), and one row for all that come in a row by one flow.
//
//   body     length varint | form u8 = 4 | expiry = 0 | QoS u8 | topic length varint | properties length varint | topic | properties | payload

import { copyBytes } from '../lib/bytes';
import { F_PREFIX, F_TOPIC, idOfFlow } from './flows';
import { STAGE_BYTES, stage } from './layout';
import { packetId, payload, payloadLength, properties, propertiesLength, qos, topic, topicLength, varintLength, writeVarint } from './message';
import { messageExpiry } from './properties';
import { R_A, R_B, R_COUNT, R_EXTRA, ROW_BATCH, addRow, lastRunUpTo } from './rows';

/** Of a body: without its length. */
export const FORM_BATCHED: u8 = 4;
/** Longer ones gain nothing here. */
const BODY_BYTES_MAX: i32 = 4096;
const HEAD_BYTES_MAX: i32 = 16;

let used: i32 = 0;

export function clearStage(): void {
  used = 0;
}

/** Whether the current message may be staged at all. Its topic in the body is what the broker calls it. */
export function isStageable(f: usize): bool {
  const bytes = <i32>load<u16>(f, F_PREFIX) + topicLength + propertiesLength + payloadLength;
  return messageExpiry < 0 && bytes <= BODY_BYTES_MAX;
}

/** Always, when nothing is staged yet. */
export function hasStageRoom(): bool {
  return used + HEAD_BYTES_MAX + BODY_BYTES_MAX <= STAGE_BYTES;
}

/** Preconditions: the current message is stageable, there is room for it and for one row. */
export function stageMessage(f: usize): void {
  const flowId = idOfFlow(f);
  const prefix = <i32>load<u16>(f, F_PREFIX);
  const wholeTopic = prefix + topicLength;
  const length =
    3 + varintLength(wholeTopic) + varintLength(propertiesLength) + wholeTopic + propertiesLength + payloadLength;
  const start = stage + used;
  let p = writeVarint(start, length);
  store<u8>(p, FORM_BATCHED);
  store<u8>(p, 0, 1);
  store<u8>(p, <u8>qos, 2);
  p = writeVarint(p + 3, wholeTopic);
  p = writeVarint(p, propertiesLength);
  if (prefix != 0) {
    copyBytes(p, <usize>load<u32>(f, F_TOPIC) - prefix, prefix);
    p += prefix;
  }
  copyBytes(p, topic, topicLength);
  p += topicLength;
  copyBytes(p, properties, propertiesLength);
  p += propertiesLength;
  copyBytes(p, payload, payloadLength);
  const bytes = <i32>(p - start) + payloadLength;
  used += bytes;
  let row = lastRunUpTo(ROW_BATCH, packetId);
  if (row != 0 && load<i32>(row, R_EXTRA) == flowId) {
    store<i32>(row, load<i32>(row, R_B) + bytes, R_B);
    store<i32>(row, load<i32>(row, R_COUNT) + 1, R_COUNT);
    return;
  }
  row = addRow(ROW_BATCH, <i32>start, bytes, packetId, flowId);
  store<i32>(row, 1, R_COUNT);
}
