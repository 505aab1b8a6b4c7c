/**
 * One connection: frames in, answers out, in the order of the requests. Requests run one after the other, and only Produce
 * may overtake the waiting for Produce before it, so that a client that pipelines shares a group commit with itself.
 *
 * Nothing is read while a request waits that cannot run yet, and none runs while much output waits: what a connection
 * holds is one read, one frame that is not complete, and the requests under way.
 */
import { Listeners } from '../../kernel/listeners.ts';
import type { Loan } from '../../kernel/log/partitions.ts';
import type { ConnectionHandler, Transport } from '../../net/transport.ts';
import type { Meter } from '../../security/guard/rates.ts';
import type { Principal } from '../../security/security.ts';
import { isUnknownApiVersions, unknownApiVersionsAnswer } from './api-versions.ts';
import type { ConnectionHost } from './connection-host.ts';
import type { Caller, Endpoint } from './context.ts';
import { handlerOf } from './dispatch.ts';
import { createFrameInput, type FrameInput, foreignProtocol } from './input.ts';
import { type Api, Apis } from './messages/apis.ts';
import { decodeRequestHeader, encodeResponse, type RequestHeader } from './messages/frame.ts';
import { Observation } from './observed.ts';
import type { In } from './schema/message.ts';
import { includes } from './schema/versions.ts';
import { type Authentication, lengthPrefixed, MAX_TOKEN_BYTES } from './security/authentication.ts';
import { type ChargedWork, chargeMs } from './security/throttle.ts';
import { Slot } from './slot.ts';

/** Of who has not logged in: a token and what is around it. */
const MAX_STRANGER_BYTES = MAX_TOKEN_BYTES + 4096;
const NO_ANSWER: readonly Uint8Array[] = [];
type Answer = In<Api['response']> | undefined;
type Work = Pick<ChargedWork, 'request' | 'workMs'> & { readonly startedMs: number };

export class KafkaConnection implements ConnectionHandler, Caller {
  readonly listener: string;
  readonly remoteAddress: string;
  readonly endpoint: Endpoint;
  principal = '';
  identity: Principal | undefined;
  meter: Meter | undefined;
  readonly authentication: Authentication;
  /** Never given again. */
  readonly number: number;
  readonly connectedAtMs: number;
  readonly remotePort: number;
  /** What the client called itself last. */
  clientId: string | null = null;
  isClosed = false;
  /** Monotonic, of the last bytes in either direction. */
  activeMs: number;

  readonly #host: ConnectionHost<KafkaConnection>;
  readonly #transport: Transport;
  readonly #input: FrameInput;
  #accountedInput = 0;
  #frames: Buffer[] = [];
  #slots: Slot[] = [];
  /** Other than Produce, of which only one is under way. */
  #isExclusive = false;
  #running = 0;
  #out: Uint8Array[] = [];
  #outBytes = 0;
  /** Of the answers in `#out`, and of those that are being written. */
  #loans: Loan[] = [];
  #writingLoans: Loan[] = [];
  #writingBytes = 0;
  #isWriting = false;
  #isEnding = false;
  #isPumping = false;
  #unmute: (() => void) | undefined;
  mutedUntilMs = 0;
  #closers: Listeners<() => void> | undefined;
  readonly #observation: Observation;

  constructor(host: ConnectionHost<KafkaConnection>, transport: Transport) {
    this.#host = host;
    this.#observation = new Observation(host.events);
    this.#transport = transport;
    this.listener = transport.listener;
    this.remoteAddress = transport.remoteAddress;
    this.remotePort = transport.remotePort;
    this.number = host.nextNumber();
    this.connectedAtMs = host.kafka.clock.wallMs();
    this.endpoint = host.endpointOf(transport);
    this.#input = createFrameInput(
      0,
      () => (this.authentication.isThrough ? host.limits.maxRequestBytes : MAX_STRANGER_BYTES),
      host.memory,
    );
    this.activeMs = host.kafka.clock.monotonicMs();
    this.authentication = host.kafka.security.begin(this, transport);
    const waitMs = host.kafka.security.quotas.connected(this.remoteAddress);
    if (waitMs > 0) this.mute(waitMs);
  }

  /** Neither a request nor an answer is on its way. */
  get isIdle(): boolean {
    return this.#slots.length === 0 && this.#frames.length === 0 && !this.#isWriting;
  }

  /** Answers that have not left. */
  get pendingBytes(): number {
    return this.#outBytes + this.#writingBytes;
  }

  /** The client does not take what we write. */
  get isStuck(): boolean {
    return this.#isWriting;
  }

  read(length: number): void {
    if (this.#isEnding || this.isClosed) return;
    this.activeMs = this.#host.kafka.clock.monotonicMs();
    const isGood = this.#input.push(this.#host.window.subarray(0, length), this.#arrived);
    const held = this.#input.heldBytes;
    const hasRoom = held === this.#accountedInput || this.#host.account(held - this.#accountedInput);
    this.#accountedInput = held;
    if (!isGood) {
      const size = this.#input.refusedLength;
      const foreign = foreignProtocol(size);
      if (foreign !== undefined)
        this.#note('info', `a client of the Kafka port does not speak Kafka but ${foreign}`);
      this.end(`a request of ${size} bytes`);
      return;
    }
    if (!hasRoom) {
      this.end('there is no memory for more requests');
      return;
    }
    this.pump();
  }

  readonly #arrived = (frame: Buffer): void => {
    this.#frames.push(frame);
  };

  /** Runs what can run. */
  pump(): void {
    if (this.#isPumping || this.isClosed) return;
    this.#isPumping = true;
    while (this.#canRun()) this.#run(this.#frames.shift() as Buffer);
    this.#isPumping = false;
    this.#drain();
    if (this.isClosed || this.#isEnding) return;
    if (this.#frames.length > 0 || this.#unmute !== undefined) this.#transport.pause();
    else this.#transport.resume();
  }

  #canRun(): boolean {
    const next = this.#frames[0];
    if (next === undefined || this.#isEnding || this.isClosed || this.#unmute !== undefined) return false;
    if (this.authentication.isDeciding) return false;
    const { limits } = this.#host;
    if (this.#outBytes + this.#writingBytes > limits.maxOutputBytes) return false;
    const isProduce = next.length > 2 && next.readInt16BE(0) === Apis.produce.key;
    if (this.#running > 0 && (this.#isExclusive || !isProduce)) return false;
    if (this.#running >= limits.maxPipelined) return false;
    return !(isProduce && this.#host.holdsProduce(this));
  }

  #run(frame: Buffer): void {
    if (this.authentication.isRaw) {
      this.#runToken(frame);
      return;
    }
    if (isUnknownApiVersions(frame)) {
      this.#slots.push(
        new Slot(this.#host.memory, frame, unknownApiVersionsAnswer(this.#host.writer, frame)),
      );
      return;
    }
    const { header, fault } = decodeRequestHeader(frame);
    if (fault !== undefined) {
      this.end(`a request whose header cannot be read: ${fault.reason}`);
      return;
    }
    const { api, apiVersion } = header;
    this.clientId = header.clientId;
    const handler = api && handlerOf(api);
    if (api === undefined || handler === undefined) {
      this.end(`a request of an API that is not served: ${header.apiKey}`);
      return;
    }
    const admitted = this.authentication.admits(api, header.clientId);
    if (admitted !== true) {
      if (admitted === 'later') this.#frames.unshift(frame);
      else this.end(`a request of ${api.name} by who has not logged in, or whose log-in has ended`);
      return;
    }
    if (this.authentication.isThrough) this.#observation.served(this);
    if (!includes(api.versions, apiVersion)) {
      this.end(`a request of ${api.name} in version ${apiVersion}`);
      return;
    }
    const decoded = api.request.decode(apiVersion, frame, header.end);
    if (decoded.fault !== undefined) {
      this.end(
        `a request of ${api.name} that cannot be read: ${decoded.fault.reason} at ${decoded.fault.path}`,
      );
      return;
    }
    const slot = new Slot(this.#host.memory, frame);
    this.#slots.push(slot);
    this.#running++;
    this.#isExclusive = api.key !== Apis.produce.key;
    this.#host.account(slot.bytes);
    const request = decoded.value as never;
    const { clientId } = header;
    const call = { connection: this, version: apiVersion, clientId, request, memory: slot };
    const { clock, security } = this.#host.kafka;
    const startedMs = clock.monotonicMs();
    const work = { request, workMs: 0, startedMs };
    try {
      const answer = handler(this.#host.kafka, call);
      if (security.quotas.isEnabled) work.workMs = clock.monotonicMs() - startedMs;
      if (answer instanceof Promise) {
        answer.then(
          (value) => this.#answered(slot, header, value, work),
          (error: unknown) => this.#failed(slot, header, error),
        );
      } else this.#answered(slot, header, answer, work);
    } catch (error) {
      this.#failed(slot, header, error);
    }
  }

  #answered(slot: Slot, header: RequestHeader, value: Answer, work: Work): void {
    this.#running--;
    this.#host.account(-slot.bytes);
    const { api } = header;
    if (api !== undefined) {
      this.#host.times.record(api, this.#host.kafka.clock.monotonicMs() - work.startedMs);
    }
    if (this.isClosed) return;
    try {
      slot.answer = this.#encode(header, value);
      const throttleTimeMs = this.#charge(slot, header, work);
      if (throttleTimeMs > 0) {
        slot.answer = this.#encode(header, value && ({ ...(value as object), throttleTimeMs } as never));
        this.mute(throttleTimeMs);
      }
      slot.answered();
    } catch (error) {
      this.#running++;
      this.#host.account(slot.bytes);
      this.#failed(slot, header, error);
      return;
    }
    this.#settle();
  }

  #encode({ api, apiVersion, correlationId }: RequestHeader, value: Answer): readonly Uint8Array[] {
    if (value === undefined || api === undefined) return NO_ANSWER;
    return encodeResponse(this.#host.writer, api, apiVersion, correlationId, value as never);
  }

  /** What it counts for in quotas; gives how long the client has to wait. Nothing is made where nothing counts. */
  #charge(slot: Slot, { api, clientId }: RequestHeader, { request, workMs }: Work): number {
    const { quotas } = this.#host.kafka.security;
    if (api === undefined || (this.meter === undefined && !quotas.isEnabled)) return 0;
    return chargeMs(quotas, this, slot, { api, clientId, request, workMs });
  }

  /** A token without a header, and an answer like it. */
  #runToken(token: Buffer): void {
    const slot = new Slot(this.#host.memory, token);
    this.#slots.push(slot);
    this.#running++;
    this.#isExclusive = true;
    const answered = (data: Uint8Array | undefined): void => {
      this.#running--;
      slot.answer = data === undefined ? NO_ANSWER : lengthPrefixed(data);
      this.#settle();
    };
    this.authentication.authenticateRaw(token).then(answered, (error: unknown) => {
      this.#host.kafka.logger.error({ err: error }, 'a log-in failed');
      this.end('its log-in failed');
      answered(undefined);
    });
  }

  #failed(slot: Slot, header: RequestHeader, error: unknown): void {
    this.#running--;
    this.#host.account(-slot.bytes);
    slot.answer = NO_ANSWER;
    if (this.isClosed) return;
    const { api, apiVersion: version } = header;
    this.#host.kafka.logger.error({ err: error, api: api?.name, version }, 'a Kafka request failed');
    this.end('its request failed');
    this.#settle();
  }

  #settle(): void {
    if (this.#isPumping) return;
    this.#drain();
    this.pump();
  }

  /** Answers leave up to the first that is under way. */
  #drain(): void {
    while (this.#slots[0]?.answer !== undefined) {
      const { answer, borrowed } = this.#slots.shift() as Slot;
      if (borrowed !== undefined) this.#loans.push(borrowed);
      for (const piece of answer ?? NO_ANSWER) {
        this.#out.push(piece);
        this.#outBytes += piece.byteLength;
      }
    }
    this.#write();
  }

  #write(): void {
    if (this.#isWriting || this.isClosed) return;
    if (this.#out.length === 0) {
      if (this.#isEnding && this.#slots.length === 0) this.#transport.end();
      return;
    }
    const views = this.#out;
    this.#out = [];
    this.#writingBytes = this.#outBytes;
    this.#outBytes = 0;
    this.#writingLoans = this.#loans;
    this.#loans = [];
    this.#isWriting = true;
    this.#transport.write(views, this.#written);
  }

  readonly #written = (): void => {
    this.#isWriting = false;
    this.#writingBytes = 0;
    const loans = this.#writingLoans;
    this.#writingLoans = [];
    for (const loan of loans) loan.release();
    if (this.isClosed) return;
    this.activeMs = this.#host.kafka.clock.monotonicMs();
    if (this.#isPumping) return;
    this.#write();
    this.pump();
  };

  #note(level: 'info' | 'debug', message: string, reason?: string): void {
    this.#host.kafka.logger[level]({ listener: this.listener, remote: this.remoteAddress, reason }, message);
  }

  onClose(callback: () => void): () => void {
    this.#closers ??= new Listeners();
    return this.#closers.add(callback);
  }

  mute(forMs: number): void {
    const { clock } = this.#host.kafka;
    const untilMs = clock.monotonicMs() + forMs;
    if (this.#unmute !== undefined && untilMs <= this.mutedUntilMs) return;
    this.mutedUntilMs = untilMs;
    this.#unmute?.();
    const stop = clock.every(forMs, () => {
      stop();
      this.#unmute = undefined;
      this.pump();
    });
    this.#unmute = stop;
  }

  end(reason: string): void {
    if (this.#isEnding || this.isClosed) return;
    this.#isEnding = true;
    this.#observation.ends(reason);
    this.#note('debug', 'a Kafka connection is closed', reason);
    this.#frames = [];
    this.#input.drop();
    this.#tellClosers();
    if (!this.#isPumping) this.#drain();
  }

  /** At once, for those that take too long. */
  destroy(): void {
    this.#transport.destroy();
  }

  closed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#unmute?.();
    this.#host.account(-this.#accountedInput);
    this.#accountedInput = 0;
    this.#input.drop();
    this.#frames = [];
    this.#out = [];
    this.#tellClosers();
    this.#observation.closed(this);
    this.#host.closed(this);
  }

  #tellClosers(): void {
    const closers = this.#closers;
    this.#closers = undefined;
    closers?.each((callback) => callback());
  }
}
