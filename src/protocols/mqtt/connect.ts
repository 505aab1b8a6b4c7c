/**
 * CONNECT: what the client asks for is checked and capped, who it is gets decided (at once, later, or by an exchange of
 * AUTH packets), then in one step a former owner of the client identifier is put out, the session is made or resumed,
 * and CONNACK goes out ahead of everything the session has waiting.
 */
import { randomBytes } from 'node:crypto';
import { TableId } from '../../kernel/state/table.ts';
import type { Principal } from '../../security/security.ts';
import { type AuthResult, type ConnectRequest, isPromise, principalFrom } from './auth.ts';
import { beginExchange } from './auth-exchange.ts';
import { type ConnackPacket, type ConnectPacket, PacketType } from './codec/packets.ts';
import { ReasonCode } from './codec/reason-codes.ts';
import type { Connection } from './connection.ts';
import { type Mqtt, startTimer, TimerKind } from './context.ts';
import { closeConnection } from './disconnect.ts';
import { encodeEntry } from './durable/session-entries.ts';
import { attach, endSession, hasExpired, resume } from './lifecycle.ts';
import { observed } from './observed.ts';
import { type PendingWill, pendingWill } from './pending-will.ts';
import { refuseConnect } from './refuse-connect.ts';
import { encodeOwner, ownerOf } from './security/owner.ts';
import { enter, isOwner } from './security/standing.ts';
import { sendPacket } from './send-packet.ts';
import { NEVER_EXPIRES, type Session, writtenClientId } from './session.ts';
import { stall } from './stall.ts';
import { topicNameFault } from './topic.ts';

const SPECIFICATION_MAX_PACKET_BYTES = 268_435_460;
const V31_CLIENT_ID_CHARACTERS_MAX = 23;
const NO_LIMIT = 0xffffffff;

export function handleConnect(mqtt: Mqtt, connection: Connection, packet: ConnectPacket): void {
  connection.version = packet.version;
  connection.phase = 'authenticating';
  connection.maxPacketBytesOut = packet.properties.maximumPacketSizeBytes ?? NO_LIMIT;
  connection.tellsProblems = packet.properties.requestProblemInformation ?? true;
  const refusal = refusalOf(mqtt, packet);
  if (refusal !== undefined) {
    refuseConnect(mqtt, connection, refusal.reasonCode, refusal.message, packet.clientId);
    return;
  }
  const request = describe(connection, packet);
  const method = packet.properties.authenticationMethod;
  if (method !== undefined) {
    const { authenticationData } = packet.properties;
    beginExchange(mqtt, connection, method, authenticationData, request, (principal, data) =>
      admit(mqtt, connection, packet, principal, data),
    );
    return;
  }
  const decide = (result: AuthResult): void => {
    if (result.allow) {
      const { principal = principalFrom(request, result.userName ?? request.userName) } = result;
      admit(mqtt, connection, packet, principal, undefined);
    } else refuseConnect(mqtt, connection, result.reasonCode, result.message, request.clientId);
  };
  const result = mqtt.authenticator.authenticate(request);
  if (isPromise(result)) stall(mqtt, connection, result, decide);
  else decide(result);
}

interface Refusal {
  readonly reasonCode: number;
  readonly message?: string;
}

function refusalOf(mqtt: Mqtt, packet: ConnectPacket): Refusal | undefined {
  const { mqtt: config } = mqtt.config;
  const { clientId, version, will } = packet;
  if (mqtt.congestion.refusesConnections()) return { reasonCode: ReasonCode.ServerBusy };
  const isShort = clientId !== '' && [...clientId].length <= V31_CLIENT_ID_CHARACTERS_MAX;
  if (version === 3 && !isShort) {
    return { reasonCode: ReasonCode.ClientIdentifierNotValid };
  }
  if (version === 4 && clientId === '' && !packet.clean) {
    return { reasonCode: ReasonCode.ClientIdentifierNotValid };
  }
  if (Buffer.byteLength(clientId) > config.maxClientIdBytes) {
    const message = `client identifier longer than ${config.maxClientIdBytes} bytes`;
    return { reasonCode: ReasonCode.ClientIdentifierNotValid, message };
  }
  if (will === undefined) return undefined;
  if (will.qos > config.maxQos) return { reasonCode: ReasonCode.QosNotSupported };
  if (will.retain && !config.retainAvailable) return { reasonCode: ReasonCode.RetainNotSupported };
  const fault = topicNameFault(will.topic, config);
  if (fault !== undefined) return { reasonCode: fault.reasonCode, message: fault.message };
  return undefined;
}

function describe({ transport }: Connection, packet: ConnectPacket): ConnectRequest {
  const { listener, peerCertificate } = transport;
  return {
    clientId: packet.clientId === '' ? assignedClientId() : packet.clientId,
    version: packet.version,
    userName: packet.userName,
    password: packet.password,
    certificate: peerCertificate,
    remoteAddress: transport.remoteAddress,
    listener,
    transport: transport.kind,
  };
}

/** Not to be guessed: whoever knows an identifier can take the session over. */
function assignedClientId(): string {
  return `auto-${randomBytes(12).toString('hex')}`;
}

/** The client may come in, if its will may be published and there is room for one of its kind. */
function admit(
  mqtt: Mqtt,
  connection: Connection,
  packet: ConnectPacket,
  principal: Principal,
  authData: Uint8Array | undefined,
): void {
  const refusal = enter(mqtt, connection, principal);
  if (refusal !== undefined) {
    const isTooMany = refusal === ReasonCode.QuotaExceeded;
    refuseConnect(mqtt, connection, refusal, isTooMany ? 'too many connections of the tenant' : undefined);
    return;
  }
  const { will } = packet;
  if (will === undefined) {
    accept(mqtt, connection, packet, undefined, authData);
    return;
  }
  const { qos, retain } = will;
  const topic = connection.tenant.toTopic(will.topic);
  if (topic === undefined) {
    refuseConnect(mqtt, connection, ReasonCode.TopicNameInvalid, 'the topic of the will is too long');
    return;
  }
  const go = (): void => accept(mqtt, connection, packet, pendingWill(will, topic), authData);
  const allowed = mqtt.authorizer.mayPublish(principal, { topic, qos, retain });
  const decide = (isAllowed: boolean): void => {
    if (isAllowed) go();
    else refuseConnect(mqtt, connection, ReasonCode.NotAuthorized, 'the will may not be published');
  };
  if (isPromise(allowed)) stall(mqtt, connection, allowed, decide);
  else decide(allowed);
}

/** From here to CONNACK nothing else happens: there is one owner of a client identifier at any time. */
function accept(
  mqtt: Mqtt,
  connection: Connection,
  packet: ConnectPacket,
  will: PendingWill | undefined,
  authData: Uint8Array | undefined,
): void {
  const { identity, tenant } = connection;
  if (identity === undefined || connection.isGone) return;
  const clientId = tenant.toName(identity.clientId ?? '');
  if (clientId === undefined) {
    refuseConnect(mqtt, connection, ReasonCode.ClientIdentifierNotValid);
    return;
  }
  const { counters, sessions } = mqtt;
  const former = sessions.get(clientId);
  if (former !== undefined && !hasExpired(mqtt, former) && !isOwner(former, identity)) {
    counters.takeoversDenied++;
    mqtt.logger.warn(
      { clientId: identity.clientId, tenant: identity.tenant, remote: identity.remoteAddress },
      'a client asked for the session of another user: refused',
    );
    refuseConnect(mqtt, connection, ReasonCode.ClientIdentifierNotValid);
    return;
  }
  if (former?.connection !== undefined) {
    counters.takeovers++;
    mqtt.events.takenOver(observed(connection));
    closeConnection(mqtt, former.connection, { reasonCode: ReasonCode.SessionTakenOver });
  }
  let session = sessions.get(clientId);
  if (session !== undefined && (packet.clean || hasExpired(mqtt, session))) {
    endSession(mqtt, session);
    session = undefined;
  }
  const expirySeconds = expiryOf(mqtt, packet);
  const isPresent = session !== undefined;
  if (isPresent || mqtt.quotas.mayOpen(identity)) session ??= sessions.create(clientId, expirySeconds);
  if (session === undefined) {
    refuseConnect(mqtt, connection, ReasonCode.QuotaExceeded, 'too many sessions');
    return;
  }
  if (isPresent) counters.sessionsResumed++;
  else counters.sessionsCreated++;
  session.expirySeconds = expirySeconds;
  mqtt.access.assume(session, identity);
  if (!isPresent) mqtt.quotas.opened(session);
  session.isOfDatabase = mqtt.authorizer.isOfDatabase(identity);
  if (!isPresent && expirySeconds > 0) mqtt.durable.table.add(session);
  establish(mqtt, connection, packet, session);
  attach(mqtt, session, connection);
  if (will !== undefined) session.will = will;
  if (session.durable !== undefined) keepOpen(mqtt, connection, session);
  counters.clientsConnected++;
  mqtt.events.connected(observed(connection));
  counters.clientsMaximum = Math.max(counters.clientsMaximum, counters.clientsConnected);
  if (!sendPacket(mqtt, connection, connack(mqtt, connection, packet, session, isPresent, authData))) {
    // Without CONNACK the client waits for ever: its limit is too small for a connection.
    const message = 'CONNACK exceeds the Maximum Packet Size of the client';
    closeConnection(mqtt, connection, { reasonCode: ReasonCode.PacketTooLarge, message, silent: true });
    return;
  }
  resume(mqtt, session, connection);
}

/** Nothing is told to the client of a durable session before the journal has it, and its will. */
function keepOpen(mqtt: Mqtt, connection: Connection, session: Session): void {
  const { durable } = mqtt;
  if (session.durable !== undefined) session.durable.detachedAtMs = 0;
  durable.log.add(TableId.Sessions, encodeEntry.open(session));
  const owner = ownerOf(session);
  if (owner !== undefined) {
    durable.log.add(TableId.Sessions, encodeEntry.owner(session.serial, encodeOwner(owner)));
  }
  durable.table.touch(session);
  connection.isHeld = true;
  const release = (error: Error | undefined): void => {
    connection.isHeld = false;
    if (error === undefined || connection.isGone) mqtt.output.write(connection);
    else closeConnection(mqtt, connection, { reasonCode: ReasonCode.UnspecifiedError });
  };
  durable.log.commit(mqtt.config.storage.durability, release, true);
}

function expiryOf(mqtt: Mqtt, packet: ConnectPacket): number {
  const { maxSessionExpirySeconds } = mqtt.config.mqtt;
  const asked =
    packet.version === 5
      ? (packet.properties.sessionExpiryIntervalSeconds ?? 0)
      : packet.clean
        ? 0
        : NEVER_EXPIRES;
  return Math.min(asked, maxSessionExpirySeconds);
}

function establish(mqtt: Mqtt, connection: Connection, packet: ConnectPacket, session: Session): void {
  const { config, timers } = mqtt;
  const { version, properties } = packet;
  connection.phase = 'open';
  connection.isBridge = packet.bridge;
  timers.cancel(connection.deadline);
  connection.deadline = 0;
  connection.sendWindow = Math.min(properties.receiveMaximum ?? 65_535, config.mqtt.maxInflight);
  connection.aliasMaximumOut = Math.min(properties.topicAliasMaximum ?? 0, config.mqtt.topicAliasMaximumOut);
  connection.classId = mqtt.access.classOf(connection);
  connection.keepAliveSeconds = keepAliveOf(mqtt, packet);
  mqtt.dataPlane.establish(connection.slot, {
    version,
    classId: connection.classId,
    // What the data plane does not look at must come to the host.
    fastIngress: config.mqtt.maxQos === 2 && config.mqtt.maxMessageExpirySeconds === 0,
    sendWindow: connection.sendWindow,
    // MQTT 3 clients are not told of a limit, so they have none but the number of identifiers.
    receiveMaximum: version === 5 ? config.mqtt.receiveMaximum : 65_535,
    maxPacketBytesOut: connection.maxPacketBytesOut,
    maxHeldBytes: config.mqtt.maxHeldBytes,
    isDurable: session.durable !== undefined,
    topicPrefixBytes: connection.tenant.prefixBytes,
  });
  if (connection.keepAliveSeconds > 0) {
    const delayMs = connection.keepAliveSeconds * 1500;
    connection.keepAliveTimer = startTimer(mqtt, delayMs, TimerKind.KeepAlive, connection.slot);
  }
}

/**
 * MQTT 3 has no way to tell the client of another keep alive: it gets what it asked for, up to the longest there is. A client that is silent
 * for longer is one that a server may take for dead whatever was agreed (MQTT 3.1.1 section 3.1.2.10).
 */
function keepAliveOf(mqtt: Mqtt, packet: ConnectPacket): number {
  const { serverKeepAliveSeconds, maxKeepAliveSeconds } = mqtt.config.mqtt;
  if (packet.version === 5 && serverKeepAliveSeconds > 0) return serverKeepAliveSeconds;
  const asked = packet.keepAliveSeconds;
  return maxKeepAliveSeconds > 0 && (asked === 0 || asked > maxKeepAliveSeconds)
    ? maxKeepAliveSeconds
    : asked;
}

function connack(
  mqtt: Mqtt,
  connection: Connection,
  packet: ConnectPacket,
  session: Session,
  sessionPresent: boolean,
  authenticationData: Uint8Array | undefined,
): ConnackPacket {
  const { mqtt: config } = mqtt.config;
  const { properties } = packet;
  const asked = properties.sessionExpiryIntervalSeconds ?? 0;
  const wantsInformation = properties.requestResponseInformation === true;
  const { responseInformation } = config;
  const keepAlive = connection.keepAliveSeconds;
  // What is said only where it differs from what the specification lets the client assume.
  const given = {
    sessionExpiryIntervalSeconds: session.expirySeconds === asked ? undefined : session.expirySeconds,
    receiveMaximum: config.receiveMaximum === 65_535 ? undefined : config.receiveMaximum,
    maximumQos: config.maxQos === 2 ? undefined : config.maxQos,
    retainAvailable: config.retainAvailable ? undefined : false,
    maximumPacketSizeBytes:
      config.maxPacketBytes >= SPECIFICATION_MAX_PACKET_BYTES ? undefined : config.maxPacketBytes,
    assignedClientIdentifier: packet.clientId === '' ? writtenClientId(session) : undefined,
    topicAliasMaximum: config.topicAliasMaximum === 0 ? undefined : config.topicAliasMaximum,
    wildcardSubscriptionAvailable: config.wildcardSubscriptionAvailable ? undefined : false,
    subscriptionIdentifiersAvailable: config.subscriptionIdentifiersAvailable ? undefined : false,
    sharedSubscriptionAvailable: config.sharedSubscriptionAvailable ? undefined : false,
    serverKeepAliveSeconds: keepAlive === packet.keepAliveSeconds ? undefined : keepAlive,
    responseInformation: responseInformation === '' || !wantsInformation ? undefined : responseInformation,
    authenticationMethod: properties.authenticationMethod,
    authenticationData,
  };
  return { type: PacketType.Connack, sessionPresent, reasonCode: ReasonCode.Success, properties: given };
}
