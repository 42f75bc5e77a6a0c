/** The server's half of the `node:http2` pair, in the server's pod: connects each CONNECT stream to its authority. */
import { once } from 'node:events';
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { tlsOptions } from '@ambientmesh/spiffe';
import { answerCommands } from '../load/answer-commands.ts';
import { type InboundCommands, type InboundConfig, MAX_SESSION_MEMORY } from './forwarder-config.ts';
import { joinStreams } from './join-streams.ts';

const HTTP_OK = 200;
const HTTP_BAD_GATEWAY = 502;

answerCommands<InboundCommands>({ configure: listen });

async function listen(config: InboundConfig): Promise<void> {
  const server = createSecureServer({
    ...tlsOptions('server', config.identity),
    noDelay: true,
    maxSessionMemory: MAX_SESSION_MEMORY,
    settings: config.streamWindowBytes === undefined ? {} : { initialWindowSize: config.streamWindowBytes },
  });
  server.on('session', (session) => {
    if (config.connectionWindowBytes !== undefined) session.setLocalWindowSize(config.connectionWindowBytes);
  });
  server.on('stream', forward);
  server.listen({ host: config.host, port: config.port });
  await once(server, 'listening');
}

function forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const { hostname, port } = new URL(`tcp://${headers[':authority']}`);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
  stream.on('error', () => socket.destroy());
  socket.once('connect', () => {
    stream.respond({ ':status': HTTP_OK });
    joinStreams(stream, socket);
  });
  socket.once('error', () => {
    if (!stream.headersSent && !stream.destroyed) stream.respond({ ':status': HTTP_BAD_GATEWAY }, { endStream: true });
  });
}
