import type { Plain, Secure, TlsOptions } from '@ambientmesh/hbone';
import { createThrowAwayAuthority } from '@ambientmesh/hbone/testing';
import { createReactorEngine, type ReactorEngineOptions, type ReactorHoldings } from '../engine.ts';
import { EngineRig } from './engine-rig.ts';
import { TlsLog } from './tls-log.ts';

const authority = createThrowAwayAuthority();
const QUICK = { closeLingerMs: 100, closeStalledMs: 200 };
/** Of `TunnelRig.empty`. */
export const NOTHING = { descriptors: 1, slabs: 0, tlsHandles: 0 };

/** Both ends of a connection, and what they have said. */
export interface Tunnel {
  readonly client: Secure;
  readonly server: Secure;
  readonly clientLog: TlsLog;
  readonly serverLog: TlsLog;
}

/** An engine with a listener, and both ends of what is dialled to it. */
export class TunnelRig extends EngineRig {
  readonly #accepted: Plain[] = [];
  readonly #listening = this.listen((plain) => this.#accepted.push(plain));

  constructor(options: ReactorEngineOptions = {}) {
    super(createReactorEngine({ debug: true, ...QUICK, ...options }));
  }

  get port(): number {
    return this.#listening.port;
  }

  tls(uri: string): TlsOptions {
    return {
      credentials: this.engine.credentials(authority.issue(uri)),
      verify: () => undefined,
      handshakeTimeoutMs: 30_000,
    };
  }

  /** What the listener has accepted, or will. */
  async accept(): Promise<Plain> {
    await this.until(() => this.#accepted.length > 0, 'accepted');
    return this.#accepted.shift()!;
  }

  async pair(): Promise<readonly [Plain, Plain]> {
    const dialled = await this.dial(this.port);
    return [dialled, await this.accept()];
  }

  async begin(client: TlsOptions, server: TlsOptions): Promise<Tunnel> {
    const [dialled, accepted] = await this.pair();
    const [clientLog, serverLog] = [new TlsLog(), new TlsLog()];
    return {
      client: this.engine.secureClient(dialled, client, clientLog),
      server: this.engine.secureServer(accepted, server, serverLog),
      clientLog,
      serverLog,
    };
  }

  async established(tunnels: readonly Tunnel[]): Promise<void> {
    await this.until(
      () => tunnels.every(({ clientLog, serverLog }) => clientLog.has('established') && serverLog.has('established')),
      'the handshake',
    );
  }

  /** Waits until nothing but the listener is held, and answers what is. */
  async empty(): Promise<ReactorHoldings> {
    const { engine } = this;
    const isEmpty = (): boolean =>
      engine.holdings.descriptors === 1 && engine.holdings.tlsHandles + engine.holdings.slabs === 0;
    await this.until(isEmpty, 'all given back');
    return engine.holdings;
  }

  stop(): void {
    this.#listening.close();
  }
}
