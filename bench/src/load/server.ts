/** The process that takes load in a server pod; commands `ready`, `received` (`ReceivedBytes`), `open` (connections). */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { answerCommands } from './answer-commands.ts';
import { monotonicMs } from './monotonic.ts';
import { CONNECT_PORTS, ECHO_PORT, type ServerCommands, SINK_PORT, SOURCE_PORT } from './protocol.ts';
import { pumpInto } from './pump.ts';

/** 1000 connections may come in bursts. */
const BACKLOG = 1_024;
/** Of every open connection of the sink, since `received` was last asked. */
const sinks = new Map<Socket, number>();
let receivedBytes = 0;
let open = 0;

const behaviours: readonly (readonly [port: number, serve: (socket: Socket) => void])[] = [
  [SINK_PORT, sink],
  [SOURCE_PORT, source],
  [ECHO_PORT, echo],
  ...CONNECT_PORTS.map((port) => [port, echo] as const),
];
const listening = Promise.all(behaviours.map(([port, serve]) => listen(port, serve)));

answerCommands<ServerCommands>({
  ready: async () => {
    await listening;
  },
  received: () => {
    const starved = [...sinks.values()].filter((bytes) => bytes === 0).length;
    for (const socket of sinks.keys()) sinks.set(socket, 0);
    return { atMs: monotonicMs(), bytes: receivedBytes, starved };
  },
  open: () => open,
});

async function listen(port: number, serve: (socket: Socket) => void): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    open += 1;
    // Clients are cut off in the middle of things at the end of every test.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      open -= 1;
    });
    serve(socket);
  });
  server.listen({ port, backlog: BACKLOG });
  await once(server, 'listening');
}

function sink(socket: Socket): void {
  sinks.set(socket, 0);
  socket.once('close', () => sinks.delete(socket));
  socket.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    sinks.set(socket, (sinks.get(socket) ?? 0) + chunk.length);
  });
}

function source(socket: Socket): void {
  socket.resume();
  pumpInto(socket);
}

function echo(socket: Socket): void {
  socket.on('data', (chunk: Buffer) => socket.write(chunk));
}
