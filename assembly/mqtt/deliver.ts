// From a flow to the output of its members. Short QoS 0 packets to several members are shared through the group; short
// packets otherwise are written once per member; a large payload is put into blocks once and referenced by every member.

import { copyBytes, writeU16 } from '../lib/bytes';
import { cutRegion, regionEnd, release } from './blocks';
import {
  C_MAX_HELD,
  C_MAX_PACKET_OUT,
  C_POSITION,
  FLAG_HOST_MODE,
  FLAG_WANTS_WINDOW,
  connectionOf,
  hasFlag,
  isEstablished,
  setFlag,
} from './connections';
import { countDroppedHeld, countDroppedNoMemory, countDroppedTooLarge, countSent } from './counters';
import { SHORT_BYTES, append, appendShared, breakOff, commit, heldBytes, reserve } from './egress';
import { F_GROUPS, F_GROUP_COUNT } from './flows';
import {
  GROUP_ALIAS_KNOWN,
  GROUP_NO_LOCAL,
  G_ALIAS,
  G_COUNT,
  G_FLAGS,
  G_IDS_LENGTH,
  G_LEAST_MAX_PACKET,
  G_QOS,
  G_VERSION,
  idsOf,
  membersOf,
} from './group-record';
import { reserveShared, shared } from './groups';
import { BLOCK_BYTES, scratch } from './layout';
import {
  addMessageRow,
  chooseEncoding,
  encodedLength,
  headLength,
  packetIdOffset,
  payload,
  payloadLength,
  qos as publishedQos,
  writeHead,
  writePacket,
} from './message';
import { SENT_QOS1, SENT_QOS2, dropSentId, takeSentId } from './packet-ids';
import { ROW_OVERFLOW } from './rows';

/** From so many members on a group shares its encoded bytes. */
const SHARED_MEMBERS_MIN: u32 = 3;

// The payload of the current message in blocks: pieces of (address, length). The builder holds a reference on each
// until the message is done.
const PIECES_MAX: i32 = 64;
const pieces = memory.data(PIECES_MAX * 8, 8);
let pieceCount: i32 = 0;

function buildBody(): bool {
  if (pieceCount > 0) return true;
  let done = 0;
  while (done < payloadLength) {
    const left = payloadLength - done;
    const start = pieceCount == PIECES_MAX ? 0 : cutRegion(min(left, BLOCK_BYTES), 1, false);
    if (start == 0) {
      dropBody();
      return false;
    }
    const length = <i32>(regionEnd - start);
    copyBytes(start, payload + done, length);
    store<u32>(pieces + (<usize>pieceCount << 3), <u32>start);
    store<u32>(pieces + (<usize>pieceCount << 3), length, 4);
    pieceCount++;
    done += length;
  }
  return true;
}

function dropBody(): void {
  for (let i = 0; i < pieceCount; i++) release(<usize>load<u32>(pieces + (<usize>i << 3)));
  pieceCount = 0;
}

/** Puts out one long packet; the packet identifier (0 = none) is patched into its head. False = no memory. */
function putLong(c: usize, id: i32, shareBody: bool): bool {
  if (shareBody && !buildBody()) return false;
  writeHead(scratch);
  if (id > 0) writeU16(scratch + packetIdOffset, id);
  if (!append(c, scratch, headLength)) return false;
  if (!shareBody) {
    if (append(c, payload, payloadLength)) return true;
    breakOff(c);
    return false;
  }
  for (let i = 0; i < pieceCount; i++) {
    const piece = pieces + (<usize>i << 3);
    if (!appendShared(c, <usize>load<u32>(piece), <i32>load<u32>(piece, 4))) {
      breakOff(c);
      return false;
    }
  }
  return true;
}

// The first copy of a short packet that was written for the current group: later members copy it.
let template: usize = 0;

function putShort(c: usize, id: i32): bool {
  if (!reserve(c, encodedLength)) return false;
  const to = <usize>load<u32>(c, C_POSITION);
  if (template == 0) {
    writePacket(to);
    template = to;
  } else {
    copyBytes(to, template, encodedLength);
  }
  if (id > 0) writeU16(to + packetIdOffset, id);
  commit(c, encodedLength);
  return true;
}

/** The host queues the delivery; the row names the group, which says how it is encoded. */
function overflow(slot: i32, c: usize, g: usize): void {
  setFlag(c, FLAG_HOST_MODE);
  store<u32>(addMessageRow(ROW_OVERFLOW, slot), <u32>g, 36);
}

function deliverToMember(g: usize, slot: i32, toQos: i32, shareBody: bool): void {
  const c = connectionOf(slot);
  if (!isEstablished(c)) return;
  if (<u32>encodedLength > load<u32>(c, C_MAX_PACKET_OUT)) {
    countDroppedTooLarge(1);
    return;
  }
  const isFull = heldBytes(c) > load<u32>(c, C_MAX_HELD);
  let id = 0;
  if (toQos == 0) {
    if (isFull) {
      countDroppedHeld(1);
      return;
    }
  } else {
    if (isFull || hasFlag(c, FLAG_HOST_MODE)) {
      overflow(slot, c, g);
      return;
    }
    id = takeSentId(c, toQos == 1 ? SENT_QOS1 : SENT_QOS2, false);
    if (id == 0) {
      setFlag(c, FLAG_WANTS_WINDOW);
      overflow(slot, c, g);
      return;
    }
  }
  const isOut = encodedLength <= SHORT_BYTES ? putShort(c, id) : putLong(c, id, shareBody);
  if (isOut) {
    countSent(toQos, 1);
  } else if (toQos == 0) {
    countDroppedNoMemory(1);
  } else {
    dropSentId(c, id);
    overflow(slot, c, g);
  }
}

function deliverToGroup(g: usize, publisher: i32, severalGroups: bool): void {
  const count = load<u32>(g, G_COUNT);
  const flags = load<u8>(g, G_FLAGS);
  const toQos = min(publishedQos, <i32>load<u8>(g, G_QOS));
  const alias = <i32>load<u16>(g, G_ALIAS);
  chooseEncoding(
    load<u8>(g, G_VERSION),
    toQos,
    idsOf(g),
    <i32>load<u8>(g, G_IDS_LENGTH),
    alias,
    alias == 0 || (flags & GROUP_ALIAS_KNOWN) == 0,
  );
  if (
    toQos == 0 &&
    count >= SHARED_MEMBERS_MIN &&
    encodedLength <= SHORT_BYTES &&
    <u32>encodedLength <= load<u32>(g, G_LEAST_MAX_PACKET) &&
    (flags & GROUP_NO_LOCAL) == 0
  ) {
    const to = reserveShared(g, encodedLength);
    if (to == 0) {
      countDroppedNoMemory(<i32>count);
      return;
    }
    writePacket(to);
    const reached = shared(g, encodedLength);
    countSent(0, reached);
    countDroppedHeld(<i32>count - reached);
    return;
  }
  template = 0;
  const shareBody = count > 1 || severalGroups;
  const members = membersOf(g);
  for (let i: u32 = 0; i < count; i++) {
    const slot = load<i32>(members + (<usize>i << 2));
    if ((flags & GROUP_NO_LOCAL) != 0 && slot == publisher) continue;
    deliverToMember(g, slot, toQos, shareBody);
  }
  // An alias counts as known only when the packet that carries it went out; a failed one is sent in full again.
  if (alias > 0 && template != 0) store<u8>(g, flags | GROUP_ALIAS_KNOWN, G_FLAGS);
}

/** Delivers the current message, which `publisher` sent, to all groups of a flow. Precondition: room for the flow's rows. */
export function deliverFlow(f: usize, publisher: i32): void {
  const count = load<u32>(f, F_GROUP_COUNT);
  if (count == 1) {
    deliverToGroup(<usize>load<u32>(f, F_GROUPS), publisher, false);
  } else {
    const groups = <usize>load<u32>(f, F_GROUPS);
    for (let i: u32 = 0; i < count; i++) deliverToGroup(<usize>load<u32>(groups + (<usize>i << 2)), publisher, true);
  }
  if (pieceCount > 0) dropBody();
}
