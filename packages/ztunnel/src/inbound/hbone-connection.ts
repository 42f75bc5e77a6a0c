import {
  acceptTunnel,
  type ByteSink,
  type Cancellable,
  type Plain,
  type Secure,
  ServerConnection,
  type ServerStream,
  type TunnelRequest,
} from '@ambientmesh/hbone';
import { peerIdentity, renderSpiffeId, verifyClientPeer } from '@ambientmesh/spiffe';
import type { HeldCertificate } from '../data-plane/certificates.ts';
import { describePod } from '../data-plane/local-workloads.ts';
import { lostTrust, refusedMeanwhile } from '../data-plane/peer-trust.ts';
import { type Pod, type PodConnection, UNTRUSTED } from '../data-plane/pod.ts';
import { tunnelOptions } from '../data-plane/tunnel-options.ts';
import { identityText } from '../state/identity.ts';
import type { Workload } from '../state/workload.ts';
import { type ConnectionError, logEarlyFailure } from '../telemetry/connection-record.ts';
import { InboundStream } from './inbound-stream.ts';
import { warnOfUnparsedNames } from './unparsed-names.ts';

/** An unfinished handshake is cut after this; the reference waits for ever. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** More than any ClientHello has. */
const CLIENT_HELLO_BYTES = 65_536;
const DROP: ByteSink = { bytes: () => undefined };

/** A tunnel that a peer opened to the pod (port 15008), with its streams (spec hbone.md §4). */
export class HboneConnection implements PodConnection {
  readonly component = 'inbound';
  readonly pod: Pod;
  readonly #plain: Plain;
  readonly #streams = new Set<InboundStream>();
  #pending: Cancellable | undefined;
  #tunnel: ServerConnection | undefined;
  #secure: Secure | undefined;
  #draining = false;
  /** Its end was logged, and only the ClientHello is waited for. */
  #declined = false;
  #reason: ConnectionError | undefined;
  #over = false;

  constructor(pod: Pod, plain: Plain) {
    this.pod = pod;
    this.#plain = plain;
    pod.context.sockets.destination++;
    plain.handler = {
      readable: () => undefined,
      written: () => undefined,
      failed: () => this.#end(),
    };
  }

  start(): void {
    const { context, info, opening } = this.pod;
    opening.add(this);
    this.#wait(
      context.localWorkloads.resolve(info, (workload) => {
        if (workload !== undefined) return this.#requestCertificate(workload);
        this.pod.workloadMissing([]);
        this.#refuse(`signing error: workload is unknown: ${describePod(info)}`);
      }),
    );
  }

  /** Its handshake has taken too long while others came. */
  giveWay(): void {
    this.#refuse('too many connections wait for their handshake');
  }

  drain(): void {
    this.#draining = true;
    this.#tunnel?.drain();
  }

  recheckPeer(): void {
    if (this.#over || this.#secure === undefined) return;
    const reason = lostTrust(this.pod.context, this.#secure);
    if (reason === undefined) return;
    this.#reason = reason;
    // As where policies deny: what was sent for a peer that nobody trusts is no whole message.
    if (reason === UNTRUSTED) for (const stream of this.#streams) stream.reset();
    this.#tunnel?.dismiss({ code: 'ABORTED', message: reason.message });
    this.#endStreams();
  }

  /** The tunnel's TCP connection closes without further frames; each stream logs the reason. */
  cut(reason: ConnectionError): void {
    this.#reason = reason;
    if (this.#tunnel !== undefined) this.#tunnel.abort({ code: 'ABORTED', message: reason.message });
    // Nothing happens to a socket that the handshake has: it is cut when the handshake is cancelled.
    else this.#plain.reset();
    this.#endStreams();
    this.#end();
  }

  /** Those that live on without their stream, because the application has not ended yet. */
  #endStreams(): void {
    for (const stream of this.#streams) stream.cut();
  }

  /** Why the connection was cut, if it was. */
  get cutFor(): ConnectionError | undefined {
    return this.#reason;
  }

  /** To be called by every stream when it has ended. */
  streamEnded(stream: InboundStream): void {
    this.#streams.delete(stream);
    if (this.#over && this.#streams.size === 0) this.pod.ended(this);
  }

  #requestCertificate(workload: Workload): void {
    this.#wait(
      this.pod.context.certificates.request(identityText(workload), {
        ready: (certificate) => this.#handshake(certificate),
        unavailable: (message) => this.#decline(`signing error: ${message}`),
      }),
    );
  }

  /** Without one to wait for the answer has come already, and what it started is pending. */
  #wait(pending: Cancellable | undefined): void {
    if (pending !== undefined) this.#pending = pending;
  }

  #handshake({ credentials, identity, rootsPem }: HeldCertificate): void {
    const { revocations, trustedPeers } = this.pod.context;
    const trust = { rootsPem, usage: 'client' } as const;
    const tls = {
      credentials,
      verify: (chain: readonly Uint8Array[]) => {
        const [leaf] = chain;
        if (leaf === undefined) return 'no certificate presented';
        warnOfUnparsedNames(this.pod, leaf);
        return revocations.refusal(chain, trust) ?? verifyClientPeer(leaf, identity.trustDomain);
      },
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
    };
    this.#pending = acceptTunnel(this.pod.context.engine, this.#plain, tls, {
      established: (secure) => {
        this.#pending = undefined;
        trustedPeers.admitted(secure, { identity: renderSpiffeId(identity), ...trust });
        const lost = refusedMeanwhile(this.pod.context, secure, trust.usage);
        if (lost !== undefined) {
          secure.abort();
          this.#logEarly(lost.message);
          return this.#end();
        }
        this.#secure = secure;
        this.#serve(secure);
      },
      failed: (failure) => {
        this.#logEarly(`tls handshake error: ${failure.message}`);
        this.#end();
      },
    });
  }

  #serve(secure: Secure): void {
    this.pod.opening.delete(this);
    const { local, remote } = secure;
    const [leaf] = secure.peerChain;
    const peer = leaf && peerIdentity(leaf);
    // Again, as the reference does: there it is a question of its own who the peer is.
    if (leaf !== undefined) warnOfUnparsedNames(this.pod, leaf);
    const handler = {
      request: (stream: ServerStream, request: TunnelRequest) => {
        const inbound = new InboundStream({ connection: this, stream, request, peer, local, remote });
        this.#streams.add(inbound);
        inbound.start();
      },
      closed: () => this.#end(),
    };
    this.#tunnel = new ServerConnection(
      this.pod.context.engine,
      secure,
      handler,
      tunnelOptions(this.pod.context.config),
    );
    if (this.#draining) this.#tunnel.drain();
  }

  /** Cuts it before the handshake. */
  #refuse(message: string): void {
    if (!this.#declined) this.#logEarly(message);
    this.#plain.reset();
    this.#end();
  }

  /** Ends it in the handshake: by FIN, and so after the ClientHello, as unread bytes would make it a RST. */
  #decline(message: string): void {
    this.#logEarly(message);
    this.#declined = true;
    const close = (): void => {
      this.#plain.close();
      this.#end();
    };
    this.#pending = this.pod.context.engine.after(HANDSHAKE_TIMEOUT_MS, close);
    const take = (): void => {
      if (this.#plain.read(CLIENT_HELLO_BYTES, DROP) !== 0) close();
    };
    this.#plain.handler = { readable: take, written: () => undefined, failed: () => this.#end() };
    take();
  }

  #logEarly(message: string): void {
    const { remote: client, local: destination } = this.#plain;
    logEarlyFailure(this.pod.context.accessLog, { client, destination, direction: 'inbound' }, message);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending?.cancel();
    this.pod.context.sockets.destination--;
    this.pod.opening.delete(this);
    if (this.#streams.size === 0) this.pod.ended(this);
  }
}
