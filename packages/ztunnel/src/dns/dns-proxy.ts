import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import type { Namespace } from '@ambientmesh/netns';
import { type DnsListenerOptions, type DnsListeners, listenDns } from './dns-listeners.ts';
import { type DnsProtocol, DnsResolver, type DnsResolverOptions, emptyReply } from './dns-resolver.ts';
import { DnsTcpSession } from './dns-tcp-session.ts';
import { FairTurns } from './fair-turns.ts';
import { Forwarder } from './forwarder.ts';
import type { LookupResult } from './lookup.ts';
import {
  MAX_MESSAGE_BYTES,
  MIN_UDP_PAYLOAD,
  OPCODE_QUERY,
  RCODE_FORMAT_ERROR,
  RCODE_NO_ERROR,
  RCODE_NOT_IMPLEMENTED,
  RCODE_SERVER_FAILURE,
} from './message-format.ts';
import type { NameServer } from './name-server-attempt.ts';
import { type NameServerSockets, namespaceSockets } from './name-server-sockets.ts';
import { decodeQuery, type Query } from './query.ts';
import { buildQuestion, type Question } from './question.ts';
import { TYPE_A, TYPE_AAAA } from './record-types.ts';
import type { ResolvConf } from './resolv-conf.ts';
import { encodeResponse, type Reply } from './response.ts';
import { recordAddress } from './wire-record.ts';

/** Queries of a pod that are in work at a time; more are answered with a server failure. */
export const MAX_QUERIES_IN_FLIGHT = 1024;
/** TCP connections of a pod at a time; more are closed at once. */
export const MAX_TCP_CLIENTS = 128;
/** Datagrams of a pod that wait for their turn; more are dropped, as UDP may: clients ask again. */
export const MAX_WAITING_DATAGRAMS = 256;
/** Responses that the kernel has not taken yet; more are dropped, as UDP may. */
const MAX_UDP_SEND_QUEUE_BYTES = 1_048_576;
const DNS_PORT = 53;

/** Longest response over UDP, whatever a client offers: an IPv4 datagram holds no more. */
const MAX_UDP_RESPONSE_BYTES = 65_507;

export interface DnsProxyOptions extends Omit<DnsResolverOptions, 'forwarder'> {
  /** Taken over: `close` closes them. */
  readonly listeners: DnsListeners;
  /** How name servers are reached from the pod. */
  readonly sockets: NameServerSockets;
  /** Times of `resolvConf` apply; servers are at port 53 unless `servers` says otherwise. */
  readonly resolvConf: Pick<ResolvConf, 'nameServers' | 'tryTimeoutMs' | 'tries'>;
  readonly servers?: readonly NameServer[];
  /** When its work is done, where it is not alone on the thread. */
  readonly turns?: FairTurns;
}

/** The DNS proxy of one pod: UDP and TCP servers around a resolver. One a pod: the cache is its own. */
export class DnsProxy {
  readonly #options: DnsProxyOptions;
  readonly #forwarder: Forwarder;
  readonly #resolver: DnsResolver;
  readonly #turns: FairTurns;
  readonly #clients = new Set<Socket>();
  #inFlight = 0;
  #closed = false;

  constructor(options: DnsProxyOptions) {
    this.#options = options;
    this.#turns = options.turns ?? new FairTurns();
    const { resolvConf, sockets, now } = options;
    const servers = options.servers ?? resolvConf.nameServers.map((ip) => ({ ip, port: DNS_PORT }));
    const { tryTimeoutMs, tries } = resolvConf;
    this.#forwarder = new Forwarder({ servers, sockets, tryTimeoutMs, tries, now });
    this.#resolver = new DnsResolver({ ...options, forwarder: this.#forwarder });
    for (const socket of options.listeners.udp) this.#serveUdp(socket);
    for (const server of options.listeners.tcp) this.#serveTcp(server);
  }

  /**
   * Looks an address up as a query of the pod over UDP would, and counts it as one. `done` is called once, at once if it
   * can, unless the proxy is closed meanwhile.
   */
  lookup(hostname: string, family: 4 | 6, done: (result: LookupResult) => void): void {
    const question = buildQuestion(hostname, family === 4 ? TYPE_A : TYPE_AAAA);
    if (question === undefined) {
      done({ failure: `dns: ${JSON.stringify(hostname)} is not a domain name` });
      return;
    }
    if (this.#closed || this.#inFlight >= MAX_QUERIES_IN_FLIGHT) {
      done({ failure: 'dns lookup: too many queries' });
      return;
    }
    const resolved = ({ rcode, records }: Reply): void => {
      const ip = records.map(recordAddress).find((address) => address !== undefined);
      if (ip !== undefined) done({ ip });
      else if (rcode === RCODE_NO_ERROR) done({ failure: 'dns response had no valid IP addresses' });
      else done({ failure: `dns lookup: response code ${rcode}` });
    };
    this.#turns.run(this, () => this.#resolve(question, 'udp', resolved));
  }

  /** Stops listening, ends all clients and forgets all queries. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#turns.forget(this);
    for (const socket of this.#options.listeners.udp) socket.close();
    for (const server of this.#options.listeners.tcp) server.close();
    for (const client of this.#clients) client.destroy();
    this.#forwarder.close();
  }

  #serveUdp(socket: UdpSocket): void {
    socket.on('error', (error) => this.#options.log.warned(`DNS over UDP: ${error.message}`));
    socket.on('message', (bytes, peer) => {
      if (this.#turns.waitingOf(this) >= MAX_WAITING_DATAGRAMS) return;
      this.#turns.run(this, () => this.#answerDatagram(socket, bytes, peer));
    });
  }

  #answerDatagram(socket: UdpSocket, bytes: Buffer, peer: { readonly port: number; readonly address: string }): void {
    const query = decodeQuery(bytes);
    if (query === undefined) return;
    const maxBytes = Math.min(query.edns?.payloadBytes ?? MIN_UDP_PAYLOAD, MAX_UDP_RESPONSE_BYTES);
    this.#respond(query, { protocol: 'udp', maxBytes }, (response) => {
      if (this.#closed || socket.getSendQueueSize() > MAX_UDP_SEND_QUEUE_BYTES) return;
      // A client that is gone is no failure of ours.
      socket.send(response, peer.port, peer.address, () => undefined);
    });
  }

  #serveTcp(server: Server): void {
    server.on('error', (error) => this.#options.log.warned(`DNS over TCP: ${error.message}`));
    server.on('connection', (socket) => {
      if (this.#clients.size >= MAX_TCP_CLIENTS) {
        socket.destroy();
        return;
      }
      this.#clients.add(socket);
      socket.on('close', () => this.#clients.delete(socket));
      const session = new DnsTcpSession(socket, (bytes, respond) => {
        // Bounded by the clients, and by what each may ask before it is answered.
        this.#turns.run(this, () => {
          const query = decodeQuery(bytes);
          if (query === undefined) respond(undefined);
          else this.#respond(query, { protocol: 'tcp', maxBytes: MAX_MESSAGE_BYTES }, respond);
        });
      });
      session.start();
    });
  }

  #respond(
    query: Query,
    { protocol, maxBytes }: { protocol: DnsProtocol; maxBytes: number },
    send: (response: Buffer) => void,
  ): void {
    if (query.opcode !== OPCODE_QUERY) {
      this.#options.log.warned(`unimplemented op_code: ${renderOpcode(query.opcode)}`);
      send(encodeResponse(query, emptyReply(RCODE_NOT_IMPLEMENTED), maxBytes));
      return;
    }
    const { question } = query;
    if (question === undefined || this.#inFlight >= MAX_QUERIES_IN_FLIGHT) {
      const rcode = question === undefined ? RCODE_FORMAT_ERROR : RCODE_SERVER_FAILURE;
      send(encodeResponse(query, emptyReply(rcode), maxBytes));
      return;
    }
    this.#resolve(question, protocol, (reply) => send(encodeResponse(query, reply, maxBytes)));
  }

  #resolve(question: Question, protocol: DnsProtocol, done: (reply: Reply) => void): void {
    this.#inFlight++;
    this.#resolver.resolve(question, protocol, (reply) => {
      this.#inFlight--;
      if (!this.#closed) done(reply);
    });
  }
}

/** What `openDnsProxy` makes itself is left out. */
export interface OpenDnsProxyOptions
  extends Omit<DnsProxyOptions, 'listeners' | 'sockets' | 'servers'>,
    Omit<DnsListenerOptions, 'warn' | 'ipv6'> {
  /** The pod's namespace; must stay open until `close`. */
  readonly namespace: Namespace;
}

/**
 * The DNS proxy of a pod on its loopback addresses, asking name servers from there.
 * @throws {NetnsError} as `listenDns` does.
 */
export function openDnsProxy(options: OpenDnsProxyOptions): DnsProxy {
  const { namespace, port, mark, reusePort, log, rules } = options;
  const warn = (message: string): void => log.warned(message);
  const listeners = listenDns(namespace, { port, mark, reusePort, ipv6: rules.ipv6, warn });
  return new DnsProxy({ ...options, listeners, sockets: namespaceSockets(namespace, mark) });
}

/** Names of operation codes as the reference proxy logs them. */
function renderOpcode(opcode: number): string {
  return (
    new Map([
      [2, 'Status'],
      [4, 'Notify'],
      [5, 'Update'],
    ]).get(opcode) ?? `Unknown(${opcode})`
  );
}
