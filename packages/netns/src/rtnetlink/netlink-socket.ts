import { constants } from 'node:os';
import { closeDescriptor } from '../descriptors.ts';
import { NetnsError } from '../errors.ts';
import {
  AF_NETLINK,
  MSG_PEEK,
  MSG_TRUNC,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from '../kernel-constants.ts';
import { SOCKADDR_NL, TIMEVAL } from '../kernel-structs.ts';
import { Namespace } from '../namespace.ts';
import { checked, errnoName, native, systemCallError } from '../native.ts';
import { type SocketOption, trySetOption } from '../socket-options.ts';
import { NetlinkAnswer } from './core/netlink-answer.ts';
import { NLM_F_DUMP, NLM_F_REQUEST } from './core/netlink-constants.ts';
import { encodeMessage, type NetlinkRequest, type NetlinkVerdict } from './core/netlink-message.ts';

/** The kernel answers before `send` returns; this only keeps a thread from waiting for ever should that change. */
const ANSWER_TIMEOUT_S = 5;
/** How often a list is begun again that changed while the kernel told it. */
const MAX_ATTEMPTS = 10;
/** The kernel's dumps come in pieces of 32 KiB at most, unless one entry is longer. */
const USUAL_DATAGRAM_BYTES = 32_768;
const MAX_DATAGRAM_BYTES = 4 * 1_024 * 1_024;
const SEQUENCE_MAX = 0xffff_ffff;

const EXPLAIN: SocketOption = { level: SOL_NETLINK, number: NETLINK_EXT_ACK, name: 'NETLINK_EXT_ACK' };
const SHORT_ANSWERS: SocketOption = { level: SOL_NETLINK, number: NETLINK_CAP_ACK, name: 'NETLINK_CAP_ACK' };
const FILTER_DUMPS: SocketOption = {
  level: SOL_NETLINK,
  number: NETLINK_GET_STRICT_CHK,
  name: 'NETLINK_GET_STRICT_CHK',
};

const { EINTR, ENOBUFS } = constants.errno;

/** Request and answer over one NETLINK_ROUTE socket, synchronously: what the kernel has to say is there at once. */
export class NetlinkSocket implements Disposable {
  readonly #namespaceId: bigint;
  #fd: number;
  #sequence = 0;
  #room = Buffer.allocUnsafe(USUAL_DATAGRAM_BYTES);

  private constructor(fd: number, namespaceId: bigint) {
    this.#fd = fd;
    this.#namespaceId = namespaceId;
  }

  /** A socket made in `namespace` (by default the calling thread's), which it keeps alive. Throws `NETNS_PERMISSION`, `NETNS_SYSTEM_CALL`. */
  static open(namespace: Namespace | undefined): NetlinkSocket {
    const namespaceId = namespace?.id.inode ?? ownId();
    const make = (): number =>
      checked(native().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), {
        operation: 'socket AF_NETLINK',
        namespaceId,
        remedy: 'may this process make netlink sockets?',
      });
    const fd = namespace === undefined ? make() : namespace.run(make);
    try {
      configure(fd, namespaceId);
      return new NetlinkSocket(fd, namespaceId);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  }

  /**
   * Sends a request and returns what the kernel answers before it acknowledges (or ends the list); copies, the caller's.
   * A list that changed meanwhile is asked for anew. `what` is for the error.
   * @throws {NetnsError} `NETNS_REFUSED`, `NETNS_EXISTS`, `NETNS_PERMISSION` with the kernel's `errno`; `NETNS_MALFORMED`
   * and `NETNS_SYSTEM_CALL` close the socket, for what is still in it belongs to nobody; `NETNS_CLOSED`.
   */
  exchange(request: NetlinkRequest, what: string): Buffer[] {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const answer = this.#ask(request, what);
      if (answer.verdict !== undefined && answer.verdict.errno !== 0) throw this.#refusal(answer.verdict, what);
      if (!answer.interrupted) return answer.payloads;
    }
    throw this.#refusal({ errno: EINTR, text: `the list changed ${MAX_ATTEMPTS} times while it was read` }, what);
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeDescriptor(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ask(request: NetlinkRequest, what: string): NetlinkAnswer {
    if (this.#fd < 0)
      throw new NetnsError('NETNS_CLOSED', `${what}: the netlink socket is closed`, { namespaceId: this.#namespaceId });
    this.#sequence = this.#sequence === SEQUENCE_MAX ? 1 : this.#sequence + 1;
    const message = encodeMessage({ ...request, flags: request.flags | NLM_F_REQUEST }, this.#sequence);
    try {
      this.#send(message, what);
      return this.#collect((request.flags & NLM_F_DUMP) === NLM_F_DUMP, what);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #send(message: Buffer, what: string): void {
    for (;;) {
      if (native().send(this.#fd, message, message.length, 0) >= 0) return;
      const errno = native().errno();
      if (errno !== EINTR) throw systemCallError({ operation: 'send', ...this.#about(what) }, errno);
    }
  }

  #collect(isDump: boolean, what: string): NetlinkAnswer {
    const answer = new NetlinkAnswer(this.#sequence);
    while (answer.verdict === undefined) {
      const datagram = this.#receive(isDump, what);
      if (datagram === undefined) answer.lose();
      else answer.push(datagram);
    }
    return answer;
  }

  /** A view of the next datagram, valid until the next call; undefined if the kernel lost a piece of a list. */
  #receive(isDump: boolean, what: string): Buffer | undefined {
    const length = this.#receiveInto(null, MSG_PEEK | MSG_TRUNC, what, isDump);
    if (length === undefined) return undefined;
    if (length > MAX_DATAGRAM_BYTES)
      throw new NetnsError('NETNS_MALFORMED', `${what}: an answer of ${length} bytes in one piece`);
    if (length > this.#room.length) this.#room = Buffer.allocUnsafe(length);
    const received = this.#receiveInto(this.#room, 0, what, isDump);
    return received === undefined ? undefined : this.#room.subarray(0, received);
  }

  #receiveInto(room: Buffer | null, flags: number, what: string, isDump: boolean): number | undefined {
    for (;;) {
      const length = native().recv(this.#fd, room, room?.length ?? 0, flags);
      if (length >= 0) return length;
      const errno = native().errno();
      if (errno === ENOBUFS && isDump) return undefined;
      if (errno !== EINTR)
        throw systemCallError(
          { operation: 'receive', ...this.#about(what), remedy: `the kernel did not answer in ${ANSWER_TIMEOUT_S} s` },
          errno,
        );
    }
  }

  #about(subject: string): { readonly subject: string; readonly namespaceId: bigint } {
    return { subject, namespaceId: this.#namespaceId };
  }

  #refusal(verdict: NetlinkVerdict, operation: string): NetnsError {
    const errno = errnoName(verdict.errno);
    const reason = verdict.text ?? native().strerror(verdict.errno);
    return new NetnsError(
      refusalCode(errno),
      `${operation} in netns ${this.#namespaceId}: ${errno} (${reason}${errno === 'EPERM' ? '; needs CAP_NET_ADMIN' : ''})`,
      { operation, errno, errnoNumber: verdict.errno, reason, namespaceId: this.#namespaceId },
    );
  }
}

function ownId(): bigint {
  const own = Namespace.current();
  own.close();
  return own.id.inode;
}

function configure(fd: number, namespaceId: bigint): void {
  // Kernels before 4.20 lack some of these; then errors have fewer words and the caller filters.
  for (const option of [EXPLAIN, SHORT_ANSWERS, FILTER_DUMPS]) trySetOption(fd, option, 1);
  const timeout = Buffer.alloc(TIMEVAL.size);
  timeout.writeBigInt64LE(BigInt(ANSWER_TIMEOUT_S), TIMEVAL.seconds);
  checked(native().setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length), {
    operation: 'SO_RCVTIMEO',
    namespaceId,
  });
  // To the kernel, port 0; a connected socket takes messages from nobody else.
  const kernel = Buffer.alloc(SOCKADDR_NL.size);
  kernel.writeUInt16LE(AF_NETLINK, SOCKADDR_NL.family);
  checked(native().connect(fd, kernel, kernel.length), { operation: 'connect AF_NETLINK', namespaceId });
}

function refusalCode(errno: string): 'NETNS_PERMISSION' | 'NETNS_EXISTS' | 'NETNS_REFUSED' {
  if (errno === 'EPERM' || errno === 'EACCES') return 'NETNS_PERMISSION';
  return errno === 'EEXIST' ? 'NETNS_EXISTS' : 'NETNS_REFUSED';
}
