import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Secure } from '@ambientmesh/hbone';
import type { ReactorEngineOptions } from '../engine.ts';
import { TlsLog } from '../testing/tls-log.ts';
import { TunnelRig } from '../testing/tunnel-rig.ts';
import { RecordPeer } from './record-peer.ts';
import { issue, tlsOf } from './side.ts';

const source = issue('peer');

/** Tells an end by FIN from one by close_notify. */
export class EndLog extends TlsLog {
  unannounced = false;

  override ended(unannounced = false): void {
    this.unannounced = unannounced;
    super.ended();
  }
}

/** One end on the reactor, and its peer, which makes its records itself. */
export interface RecordConnection {
  readonly secure: Secure;
  readonly log: EndLog;
  readonly peer: RecordPeer;
}

/** An engine whose connections have peers that make their records themselves. For tests. */
export class RecordRig extends TunnelRig {
  readonly #tls;

  constructor(options: ReactorEngineOptions = {}) {
    super(options);
    this.#tls = tlsOf(this.engine, 'us');
  }

  /** Us in `role`, and the peer in the other: established, and one octet was received. */
  async connected(role: 'client' | 'server'): Promise<RecordConnection> {
    const connection = await (role === 'server' ? this.#serve() : this.#dial());
    const { log, peer } = connection;
    await this.until(() => log.received === 1 || log.failure !== undefined, 'the handshake');
    if (log.failure !== undefined) throw new Error(log.failure.message);
    peer.takeOver();
    return connection;
  }

  async #serve(): Promise<RecordConnection> {
    const log = new EndLog();
    const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    const peer = new RecordPeer('client', socket, source);
    return { secure: this.engine.secureServer(await this.accept(), this.#tls, log), log, peer };
  }

  async #dial(): Promise<RecordConnection> {
    const log = new EndLog();
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const accepted = once(server, 'connection');
    const plain = await this.dial(typeof address === 'object' && address !== null ? address.port : 0);
    const [socket] = await accepted;
    server.close();
    return {
      secure: this.engine.secureClient(plain, this.#tls, log),
      log,
      peer: new RecordPeer('server', socket, source),
    };
  }
}
