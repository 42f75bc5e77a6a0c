/**
 * The client's half of the `node:http2` pair, in the client's pod: takes connections on its own address and sends each
 * through a CONNECT stream of one mutual TLS session to the other half. As plain as can be: what a program gets that
 * uses `node:http2` and `pipeline` and nothing else.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { tlsOptions } from '@ambientmesh/spiffe';
import { answerCommands } from '../load/answer-commands.ts';
import { MAX_SESSION_MEMORY, type OutboundCommands, type OutboundConfig } from './forwarder-config.ts';
import { joinStreams } from './join-streams.ts';

const BACKLOG = 1_024;

answerCommands<OutboundCommands>({ configure: listen });

async function listen(config: OutboundConfig): Promise<void> {
  const session = await openSession(config);
  await Promise.all(
    config.ports.map(async (port) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        forward(session, socket, `${config.destination}:${port}`),
      );
      server.listen({ host: config.listenHost, port, backlog: BACKLOG });
      await once(server, 'listening');
    }),
  );
}

async function openSession(config: OutboundConfig): Promise<ClientHttp2Session> {
  const { host, port } = config.peer;
  const socket = tlsConnect({ ...tlsOptions('client', config.identity), host, port });
  socket.setNoDelay(true);
  const session = connect(`https://${host}:${port}`, {
    createConnection: () => socket,
    maxSessionMemory: MAX_SESSION_MEMORY,
    settings: config.streamWindowBytes === undefined ? {} : { initialWindowSize: config.streamWindowBytes },
  });
  await once(session, 'remoteSettings');
  if (config.connectionWindowBytes !== undefined) session.setLocalWindowSize(config.connectionWindowBytes);
  return session;
}

function forward(session: ClientHttp2Session, socket: Socket, authority: string): void {
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  joinStreams(socket, stream);
}
