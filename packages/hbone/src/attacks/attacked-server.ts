import { createServer, type Server, Socket } from 'node:net';
import type { NodeEngine } from '../node-engine/engine.ts';
import { TunnelRelay } from '../relay/tunnel-relay.ts';
import { type Cleanup, listenTunnelServer, portOf } from '../testing/loopback.ts';
import type { ServerConnection, TunnelRequest } from '../tunnel/server-connection.ts';
import type { ServerStream } from '../tunnel/tunnel-stream.ts';
import type { Application } from './attack.ts';

const OK = 200;
const BAD_GATEWAY = 503;
const SOURCE_BYTES = Buffer.alloc(65_536, 's');
/** More than anyone takes of it; without an end it would be the application that stalls its neighbours. */
const SOURCE_CHUNKS = 4;
const UNOBSERVED = { fromFirst: () => {}, fromSecond: () => {}, finished: () => {} };

/** A tunnel server of ours with real applications behind it, chosen by the authority's host. */
export class AttackedServer {
  readonly port: number;
  /** How connections ended, in order; undefined: in an orderly way. */
  readonly ends: (string | undefined)[] = [];
  /** The connection accepted last. */
  latest: ServerConnection | undefined;
  #dials = 0;
  #mostDials = 0;
  readonly #engine: NodeEngine;
  readonly #applications: ReadonlyMap<string, number>;
  /** Of applications that read nothing. */
  readonly #sockets: ReadonlySet<Socket>;

  static async listen(engine: NodeEngine, cleanup: Cleanup): Promise<AttackedServer> {
    const applications = new Map<string, number>();
    const sockets = new Set<Socket>();
    for (const application of ['echo', 'stall', 'source'] as const)
      applications.set(application, await listenApplication(application, sockets, cleanup));
    const handlers = {
      request: (stream: ServerStream, request: TunnelRequest): void => server.#request(stream, request),
      closed: (failure?: { readonly code: string }): void => void server.ends.push(failure?.code),
    };
    const accepted = (connection: ServerConnection): void => {
      server.latest = connection;
    };
    const port = await listenTunnelServer(engine, handlers, cleanup, { accepted });
    const server = new AttackedServer({ engine, port, applications, sockets });
    cleanup(() => server.endApplications());
    return server;
  }

  /** Use `listen`. */
  constructor(parts: {
    readonly engine: NodeEngine;
    readonly port: number;
    readonly applications: ReadonlyMap<string, number>;
    readonly sockets: ReadonlySet<Socket>;
  }) {
    this.#engine = parts.engine;
    this.port = parts.port;
    this.#applications = parts.applications;
    this.#sockets = parts.sockets;
  }

  /** Ends the applications that nothing else ends: those that do not read cannot know that they are alone. */
  endApplications(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Most dials of applications that were under way at once since it was last asked. */
  takeMostDials(): number {
    const most = this.#mostDials;
    this.#mostDials = this.#dials;
    return most;
  }

  #request(stream: ServerStream, { authority }: TunnelRequest): void {
    const port = this.#applications.get(authority.split(':')[0]!);
    if (port === undefined) {
      stream.respond(BAD_GATEWAY, [], { last: true });
      return;
    }
    const socket = new Socket({ allowHalfOpen: true });
    this.#dials += 1;
    this.#mostDials = Math.max(this.#mostDials, this.#dials);
    let dialling = true;
    const dialled = (): void => {
      if (dialling) this.#dials -= 1;
      dialling = false;
    };
    stream.handler = {
      data: () => {},
      ended: () => {},
      writable: () => {},
      failed: () => {
        dialled();
        socket.destroy();
      },
    };
    socket.on('error', () => {
      dialled();
      stream.respond(BAD_GATEWAY, [], { last: true });
    });
    socket.pause();
    socket.connect({ port, host: '127.0.0.1' }, () => {
      dialled();
      socket.setNoDelay(true);
      stream.respond(OK, [], { last: false });
      const plain = this.#engine.adopt(socket);
      const relay = new TunnelRelay({ stream, plain, first: 'stream', observer: UNOBSERVED });
      if (stream.gone) relay.abort();
    });
  }
}

async function listenApplication(application: Application, sockets: Set<Socket>, cleanup: Cleanup): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
    if (application === 'echo') {
      socket.pipe(socket);
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (application === 'source') pour(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => server.close());
  return portOf(server);
}

function pour(socket: Socket): void {
  for (let count = 0; count < SOURCE_CHUNKS; count++) socket.write(SOURCE_BYTES);
}
