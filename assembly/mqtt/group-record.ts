// The record of a group: its fields, and the two accessors that output needs. What groups do is in groups.ts.
//
//   head (48 B) | subscription identifier properties, padded to 4 | members' slots (u32 each)

export const GROUP_NO_LOCAL: u8 = 1;
/** The topic went out once with the alias: now the alias alone is enough. */
export const GROUP_ALIAS_KNOWN: u8 = 2;
export const GROUP_DEAD: u8 = 4;
export const GROUP_TOUCHED: u8 = 8;

export const G_VERSION: usize = 0; // u8
export const G_QOS: usize = 1; // u8
export const G_FLAGS: usize = 2; // u8
export const G_IDS_LENGTH: usize = 3; // u8, bytes of subscription identifier properties
export const G_ALIAS: usize = 4; // u16
export const G_COUNT: usize = 8;
export const G_ATTACHED: usize = 12;
export const G_SKIPPED: usize = 16;
export const G_POSITION: usize = 20;
export const G_END: usize = 24; // 0 = no region
/** Smallest Maximum Packet Size of the members: packets up to this need no check per member. */
export const G_LEAST_MAX_PACKET: usize = 28;
export const G_NEXT_TOUCHED: usize = 32;
export const G_BYTES: usize = 36; // of the slab
export const G_HINT: usize = 40;
export const G_HEAD_BYTES: i32 = 48;

// @ts-ignore: decorator
@inline
export function idsOf(g: usize): usize {
  return g + G_HEAD_BYTES;
}

// @ts-ignore: decorator
@inline
export function membersOf(g: usize): usize {
  return g + G_HEAD_BYTES + ((<usize>load<u8>(g, G_IDS_LENGTH) + 3) & ~3);
}

// @ts-ignore: decorator
@inline
export function groupPosition(g: usize): usize {
  return <usize>load<u32>(g, G_POSITION);
}

// @ts-ignore: decorator
@inline
export function leaveGroup(g: usize): void {
  store<u32>(g, load<u32>(g, G_ATTACHED) - 1, G_ATTACHED);
}

