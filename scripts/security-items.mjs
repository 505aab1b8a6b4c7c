/**
 * The security checklist: 52 things that are tried against a broker, in our words, and what this one does. `differs` says what it
 * does otherwise on purpose, and why; `isAbsent` is about protocols that it does not speak.
 */
const item = (number, what, holds, differs) => ({ number, what, holds, differs });
const absent = (number, what) => ({
  number,
  what,
  holds: 'The protocol is not spoken here; nothing of it is parsed.',
  isAbsent: true,
});

export const ITEMS = [
  item(
    1,
    'A first MQTT packet other than CONNECT, of all types, claiming 256 MiB',
    'Closed after the fixed header; nothing of it is kept.',
  ),
  item(
    2,
    'Many connections that send part of a CONNECT of 64 KiB and stop',
    'Memory follows what has arrived and never what was announced; all strangers together have `limits.maxUnauthenticatedSize`; they end at `limits.connectTimeout`, and honest clients get in meanwhile.',
    'what a stranger sends over WebSocket is kept by the WebSocket library until its message is whole, up to `mqtt.maxPacketSize` and the same time, and is not in that sum.',
  ),
  item(
    3,
    'Lengths of variable size: five bytes, longer than needed, too large',
    'Malformed in MQTT, by both scanners; a fault in Kafka when above 2³¹−1 or without end. All of the range is read as written.',
    'lengths of Kafka may take more bytes than they need, as its own server allows.',
  ),
  item(
    4,
    'Packets cut at each byte, and split at each byte',
    'The same result as whole; what is cut off waits, and ends with its time.',
  ),
  item(
    5,
    'Random changes to packets, for every codec',
    'Each is read or refused by a reason, memory comes back, others notice nothing; decoders in TypeScript and WebAssembly agree. `npm run test:fuzz` takes a million.',
    'no bound of time per packet is tested: on a shared machine it would measure the machine.',
  ),
  item(
    6,
    'Topics and filters that are none: empty, NUL, surrogates, misplaced wildcards, 65,536 bytes, 200 levels',
    'The reason of MQTT 5, a close for MQTT 3; at most `mqtt.maxTopicLevels` (128) levels.',
    'a filter of wrong form is refused in SUBACK where the packet is otherwise right, as MQTT lets a server do.',
  ),
  item(
    7,
    'MQTT 5 properties twice, of another packet, or of forbidden values',
    '0x81, 0x82 or 0x94, and the connection ends.',
  ),
  item(
    8,
    'QoS 2 identifiers that are never released, used again for another payload, or unknown',
    '0x93 at Receive Maximum; one delivery; PUBCOMP 0x92.',
    'MQTT 3 clients are not told of a Receive Maximum, so theirs is the number of identifiers, 65,535: a few bytes each, and gone with the session.',
  ),
  item(
    9,
    'Kafka requests that lie: sizes, APIs, versions, arrays, strings, tagged fields, one correlation for several',
    'Closed, or UNSUPPORTED_VERSION where ApiVersions asks; memory follows what has arrived.',
  ),
  item(
    10,
    'Record batches with a wrong checksum, lying numbers, or bombs in all four compressions',
    'CORRUPT_MESSAGE, INVALID_RECORD or MESSAGE_TOO_LARGE, and nothing is stored; opening stops at the largest batch.',
    'a compressed batch for a topic that is neither compacted nor strict (`robustmq.validation=strict`) is stored as it came, unopened; whoever opens it here (crossing to MQTT, compaction, delays) has the bound.',
  ),
  absent(11, 'AMQP 0-9-1 frames that lie'),
  absent(12, 'AMQP 1.0 types that lie'),
  absent(13, 'NATS control lines without an end'),
  absent(14, 'Names that cross to NATS or STOMP with line ends or wildcards in them'),
  absent(15, 'STOMP and RESP frames without an end'),
  item(
    16,
    'WebSocket frames that are none: no mask, reserved bits, 2⁶³ bytes, fragmented control frames, fragments of a byte, text, bombs',
    'Closed with 1002, 1003 or 1009; no compression is agreed on, so there is none to blow up.',
    'the largest frame is `mqtt.maxPacketSize` before the log-in as well: a CONNECT may be longer than 64 KiB, and there is no decompression.',
  ),
  item(
    17,
    'Another protocol at each port, PROXY headers that lie, or come where none is expected',
    'Closed at once, or with the time for the handshake where bytes are too few to tell; PROXY is strict, and from trusted networks only.',
  ),
  item(
    18,
    'Connections that say nothing, or a byte now and then',
    'Closed by the time for PROXY, TLS (10 s), HTTP (10 s), CONNECT and the log-in of Kafka (5 s, `limits.connectTimeout`).',
    'a listener of Kafka without log-in has nothing to wait for; its idle connections end at `connections.max.idle.ms`, as in Kafka.',
  ),
  item(
    19,
    'Slow heads and bodies, idle connections, ten thousand requests at once, two thousand headers, `__proto__`',
    '408, 431 or a close in time; a thousand requests per connection; no header hides behind others.',
  ),
  item(
    20,
    'Keep alive of 65,535 or none, and silence',
    '`mqtt.maxKeepAlive` bounds it: MQTT 5 clients are told, MQTT 3 clients closed.',
    'it is off by default, since devices without a keep alive are legitimate; half-open connections are found by TCP probes after a minute.',
  ),
  item(
    21,
    'Subscribers that do not read while much is published',
    'QoS 0 is dropped above `mqtt.maxHeldSize` (8 MiB), the queue of others is bounded, a write that stands still is closed; publishers and other subscribers go on.',
  ),
  item(
    22,
    'One connection more than allowed, in all, per listener, address or user, and too many per second',
    'Refused and counted; those that are there stay.',
  ),
  item(
    23,
    'Many subscriptions of one client, wildcards in every level, topics of 128 levels',
    'SUBACK 0x97 above `limits.maxSubscriptionsPerSession`; matching takes time by what matches, not by the ways to match.',
  ),
  item(
    24,
    'More retained messages, sessions and subscriptions than a user or tenant may have',
    'Refused with the reason of the protocol, per node, user and tenant.',
  ),
  item(
    25,
    'Publishing at many times the rate',
    'The client is read more slowly (MQTT), or told to wait (Kafka); memory does not grow.',
  ),
  item(
    26,
    'Messages a byte too large for each protocol, and too large for the other one',
    '0x95, MESSAGE_TOO_LARGE; what is too large to cross is left out and counted, a consumer that asks for less than one batch gets the batch.',
  ),
  item(
    27,
    'Memory above its mark, a full disk, a failing disk, no more file descriptors',
    'Publishers are refused or wait, readers and settlements go on; the broker recovers by itself, but for a failed sync: then it is read-only, and acknowledges nothing more.',
  ),
  item(
    28,
    'Clients that come and go without end, and take each other over',
    'Nothing stays behind; flapping is banned.',
    'the run of five minutes is `npm run test:soak`.',
  ),
  item(
    29,
    'Wrong, empty, long and strange passwords and names, again and again',
    'The same words and the same work whether there is such a user or not; locked after five; length before hashing; the queue for hashing is bounded.',
  ),
  item(
    30,
    'SCRAM with altered nonces, bindings, iterations, replays',
    'Refused; who is not there has a salt that stays.',
  ),
  item(
    31,
    'Tokens without a signature, of another algorithm, audience or time, too long, with paths for key names; issuers that are down',
    'Refused; keys that are known count for their time, then nobody gets in.',
  ),
  item(
    32,
    'Client certificates: expired, of others, for servers; names that look like several',
    'Refused in the handshake, or no identity; a name is exactly what the certificate says.',
  ),
  item(33, 'Commands before or without a log-in, and another user on the way', 'Nothing is done.'),
  item(
    34,
    'Authentication services that are down, slow, or talk nonsense',
    'Refused within five seconds, by a bounded number at once.',
  ),
  item(
    35,
    'Password files that are missing, empty, broken or unreadable',
    'No start; at a reload the users before stay.',
  ),
  item(
    36,
    'Denied topics by every way: live, retained, replayed, wills, delayed, dead letters, tails, every protocol',
    'A denial wins everywhere, and is asked about again when a message is delivered.',
  ),
  item(
    37,
    'Client identifiers and user names that look like wildcards, patterns or templates',
    'Text in rules, or refused; nothing widens.',
  ),
  item(
    38,
    'Rights taken back from who is connected, with messages waiting',
    'Counts within a second, for what waits as well.',
  ),
  item(
    39,
    'Names that are the broker’s: `$SYS`, `$share`, `__consumer_offsets`, and those of tenants',
    'Nobody’s, whatever they may do otherwise.',
  ),
  item(40, 'The client identifier of somebody else', 'Refused: sessions belong to tenant and user.'),
  item(
    41,
    'Every operation by everybody, and every spelling of its path',
    'Exactly the roles with its scope; one spelling; a row without a scope fails the build.',
  ),
  item(
    42,
    'Requests out of pages of other sites, names that resolve to this machine, forms',
    'Refused, on loopback too.',
  ),
  item(
    43,
    'Bodies that are too large, too deep, with keys twice or of prototypes, numbers out of range',
    'Refused with a reason; no prototype changes.',
  ),
  item(
    44,
    'Paths out of the folder of pages: encoded, absolute, with NUL, by links',
    '404: pages come out of a list that is made at the start, and no path reaches the file system.',
  ),
  item(
    45,
    'Names with markup, line ends and bidirectional overrides',
    'Data in JSON, with types that are not sniffed; one line of the log each; pages write text and never HTML; terminals get nothing that is not printable.',
  ),
  item(
    46,
    'Patterns and selectors that would make others backtrack, nest or not end',
    'Bounded in size and depth, and matched in time that grows with text and pattern only; no regular expression of JavaScript is made of what somebody sends.',
  ),
  item(
    47,
    'Definitions that are huge, wrong or of another version',
    'Checked as a whole, tried first, all or nothing.',
  ),
  item(48, 'Secrets in logs, metrics, answers, audit, arguments', 'In none.'),
  item(
    49,
    'Sessions and passwords of administrators: guessing, fixing, using again',
    '429 and a lock; new identifiers; all sessions end with the password; links work once.',
  ),
  item(
    50,
    'Services of authentication at addresses of the link, by names that change, by redirects',
    'Not connected to unless it is allowed; the address that was checked is the one that is used; no redirect is followed.',
    'loopback and private networks are allowed: the addresses stand in the configuration file, which no client and no page can write, and services next to the broker are the rule.',
  ),
  item(
    51,
    'Ends by `kill -9` at any point, torn and flipped records, a clock that jumps',
    'What was acknowledged is there, what is damaged is named and never served, the rest starts.',
  ),
  item(
    52,
    'What is in the package, scripts of dependencies, licences, a list of all of it, an old Node, few permissions',
    'Only what runs; no scripts; licences that allow this; CycloneDX by `npm sbom`; an old Node is refused with a sentence.',
    'the permission model of Node forbids `fdatasync`, so a broker that keeps promises cannot run under it; systemd and the container fence it in.',
  ),
];
