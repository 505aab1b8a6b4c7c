/**
 * The topics module: subscriptions and retained topics over one growing memory. Topics and filters are UTF-8 byte
 * ranges without U+0000, with wildcards in legal places only, of at most 65,535 bytes; the host copies them to `input`
 * and names their length. Sequences of calls need no other order than `init` first. Any call may grow the memory.
 */
import { allocate, classFor, heapLiveBytes, isHeapFull, release, setHeapLimit } from '../lib/heap';
import { initLevels, levelCount } from './levels';
import { initPath, inputText, outputText } from './path';
import { initSinks, placesOf as places, sinkCount } from './sinks';
import { initMatch, outCapacity, outGroupCount, outGroups, outIdentifiers, outOptions, outSinks } from './match';
import { trieNodes } from './nodes';
import { describedIdentifier, describedOptions, initTrie, trieSubscriptions } from './trie';
import { cursorDepth, cursorSteps, initTree, occupant, outValues, reserveCursor, treeNodes } from './tree';

export { trieMatch } from './match';
export { trieAdd, trieDescribe, trieRemove, trieRemoveLast } from './trie';
export { treeGet, treePage, treePlace, treeRemove, treeSet } from './tree';

export function init(seedLow: u32, seedHigh: u32, limitBytes: u32): void {
  setHeapLimit(limitBytes);
  initPath(seedLow, seedHigh);
  initLevels();
  initSinks();
  initTrie();
  initMatch();
  initTree();
}

export function input(): u32 { return inputText; }
export function output(): u32 { return outputText; }
export function matchedSinks(): u32 { return outSinks; }
export function matchedIdentifiers(): u32 { return outIdentifiers; }
export function matchedOptions(): u32 { return outOptions; }
export function matchCapacity(): u32 { return outCapacity; }
export function matchedGroups(): u32 { return outGroups; }
export function matchedGroupCount(): u32 { return outGroupCount; }
export function lastOptions(): u32 { return describedOptions; }
export function lastIdentifier(): u32 { return describedIdentifier; }
export function placesOf(sink: u32): u32 { return places(sink); }
export function placeOccupant(): u32 { return occupant; }
export function pageValues(): u32 { return outValues; }
export function pageCursorDepth(): u32 { return cursorDepth; }
export function pageCursor(): u32 { return cursorSteps; }
/** Makes room for a cursor of that many steps and says where to put it. */
export function cursorFor(depth: u32): u32 {
  reserveCursor(depth);
  return cursorSteps;
}

/** A block of memory for the host's own records, 0 when the limit is reached. */
export function allocateBlock(bytes: u32): u32 {
  return isHeapFull() ? 0 : allocate(classFor(bytes));
}

export function releaseBlock(block: u32, bytes: u32): void {
  release(block, classFor(bytes));
}

export function liveBytes(): u32 { return heapLiveBytes(); }
export function countNodes(): u32 { return trieNodes(); }
export function countSubscriptions(): u32 { return trieSubscriptions(); }
export function countSinks(): u32 { return sinkCount(); }
export function countLevels(): u32 { return levelCount(); }
export function countTopicNodes(): u32 { return treeNodes(); }
