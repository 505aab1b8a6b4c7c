// Deliveries of stored messages, many at a time: the host says where their bodies lie in the scratch area (staging.ts has
// the form), here they become packets of QoS 1.
//
//   scratch   subscription identifiers, room for 256 bytes | (offset u32, length u32) of each body | bodies

import { writeU16 } from '../lib/bytes';
import {
  C_IN_FLIGHT,
  C_MAX_HELD,
  C_MAX_PACKET_OUT,
  C_POSITION,
  C_TOPIC_PREFIX,
  C_VERSION,
  C_WINDOW,
  connectionOf,
  isEstablished,
} from './connections';
import { SHORT_BYTES, commit, heldBytes, reserve } from './egress';
import { resultBlock, scratch } from './layout';
import {
  chooseEncoding,
  encodedLength,
  packetIdOffset,
  setFrame,
  setPayload,
  setProperties,
  setTopic,
  writePacket,
} from './message';
import { SENT_QOS1, dropSentId, restoreSentId } from './packet-ids';
import { FORM_BATCHED } from './staging';

const IDENTIFIERS: i32 = 65535;
const LIST: usize = 256;
const RESULT_BYTES: usize = 16;
/** Of `$tenant`, which `/` or `$` follows. */
const TENANT_BYTES: usize = 7;

let value: i32 = 0;

function readVarint(from: usize): usize {
  let p = from;
  let shift = 0;
  value = 0;
  while (true) {
    const byte = <i32>load<u8>(p);
    p++;
    value |= (byte & 127) << shift;
    if (byte < 128) return p;
    shift += 7;
  }
}

/** How much of the topic is not for the connection: its prefix, which is one byte longer where what follows begins with `$`. */
function unseenBytes(topicPrefix: i32, topic: usize, topicLength: i32): i32 {
  if (topicPrefix == 0 || topicLength <= topicPrefix) return 0;
  return load<u8>(topic, TENANT_BYTES) == 0x24 ? topicPrefix + 1 : topicPrefix;
}

/** Makes the body the current message; false when it is not of the form, or has an expiry. */
function open(body: usize, length: i32, topicPrefix: i32): bool {
  if (load<u8>(body) != FORM_BATCHED || load<u8>(body, 1) != 0) return false;
  let p = readVarint(body + 3);
  const topicLength = value;
  p = readVarint(p);
  const propertiesLength = value;
  // Of no version: no packet is like the received one.
  setFrame(body, length, 0, 1);
  const unseen = unseenBytes(topicPrefix, p, topicLength);
  setTopic(p + unseen, topicLength - unseen, 0);
  setProperties(p + topicLength, propertiesLength);
  const payload = p + topicLength + propertiesLength;
  setPayload(payload, <i32>(body + length - payload));
  return true;
}

/**
 * Puts out the bodies that the scratch area lists, in order, with packet identifiers from `firstId` on, which become the
 * host's. Stops at the first for which there is no room in the window, the bounds or the memory, or that is too long to
 * be done here. Returns how many are out; their bytes are in the result block.
 */
export function putStored(slot: i32, count: i32, firstId: i32, idsLength: i32): i32 {
  const c = connectionOf(slot);
  store<i32>(resultBlock, 0, RESULT_BYTES);
  if (!isEstablished(c)) return 0;
  const version: u8 = load<u8>(c, C_VERSION) == 5 ? 5 : 3;
  const topicPrefix = <i32>load<u16>(c, C_TOPIC_PREFIX);
  const most = min<u32>(load<u32>(c, C_MAX_PACKET_OUT), SHORT_BYTES);
  const bodies = scratch + LIST + (<usize>count << 3);
  let bytes = 0;
  let done = 0;
  let id = firstId;
  for (; done < count; done++) {
    if (load<u32>(c, C_IN_FLIGHT) >= load<u32>(c, C_WINDOW) || heldBytes(c) > load<u32>(c, C_MAX_HELD)) break;
    const entry = scratch + LIST + (<usize>done << 3);
    if (!open(bodies + load<u32>(entry), load<i32>(entry, 4), topicPrefix)) break;
    chooseEncoding(version, 1, scratch, idsLength, 0, true);
    if (<u32>encodedLength > most || !restoreSentId(c, id, SENT_QOS1, true)) break;
    if (!reserve(c, encodedLength)) {
      dropSentId(c, id);
      break;
    }
    const to = <usize>load<u32>(c, C_POSITION);
    writePacket(to);
    writeU16(to + packetIdOffset, id);
    commit(c, encodedLength);
    bytes += encodedLength;
    id = id == IDENTIFIERS ? 1 : id + 1;
  }
  store<i32>(resultBlock, bytes, RESULT_BYTES);
  return done;
}
