/** Runs inside a pod and holds very many connections to echo servers, line by line on stdin; see `crowd.ts`. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import type { CrowdAnswer, CrowdCounts, CrowdRequest, Pulse } from './crowd.ts';

/** Connections that are being opened at a time: fewer than any queue of listeners. */
const OPENING = 64;
const PULSE_MS = 5;

const open = new Set<Socket>();
let ended = 0;
let heard = 0;
let beating: { readonly pulse: Promise<Pulse>; stop(): void } | undefined;

createInterface({ input: stdin }).on('line', (line) => {
  const request: CrowdRequest = JSON.parse(line);
  perform(request).then(
    (result) => answer({ id: request.id, result }),
    (error: Error) => answer({ id: request.id, error: error.message }),
  );
});
stdin.on('close', () => process.exit());

function answer(message: CrowdAnswer): void {
  stdout.write(`${JSON.stringify(message)}\n`);
}

async function perform(request: CrowdRequest): Promise<CrowdCounts | Pulse | undefined> {
  switch (request.operation) {
    case 'gather':
      await gather(request);
      return counts();
    case 'count':
      return counts();
    case 'echo':
      await echoOfAll();
      return counts();
    case 'beat':
      beating = await beat(request.host, request.port);
      return undefined;
    case 'pulse': {
      const pulse = beating?.pulse;
      beating?.stop();
      return pulse;
    }
  }
}

const counts = (): CrowdCounts => ({ open: open.size, ended });

async function dial(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

async function gather({ host, port, count, read }: Extract<CrowdRequest, { operation: 'gather' }>): Promise<void> {
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const socket = await dial(host, port);
      const lost = once(socket, 'end').then(() =>
        Promise.reject(new Error(`${host}:${port} ended before it answered`)),
      );
      const first = Promise.race([once(socket, 'data'), lost]);
      lost.catch(() => undefined);
      socket.write(read === undefined ? 'x' : `${read}\n`);
      await first;
      keep(socket, read !== undefined);
    }
  };
  await Promise.all(Array.from({ length: OPENING }, one));
}

function keep(socket: Socket, stopsReading: boolean): void {
  open.add(socket);
  const end = (): void => {
    if (open.delete(socket)) ended++;
    socket.destroy();
  };
  for (const event of ['end', 'error', 'close']) socket.on(event, end);
  if (stopsReading) socket.pause();
  else socket.on('data', (chunk: Buffer) => (heard += chunk.length));
}

/** A byte to and fro on every connection. */
async function echoOfAll(): Promise<void> {
  heard = 0;
  for (const socket of open) socket.write('y');
  while (heard < open.size)
    await new Promise((resolve) => {
      setTimeout(resolve, PULSE_MS);
    });
}

/** Round trips on a connection of its own until it is stopped. */
async function beat(host: string, port: number): Promise<{ readonly pulse: Promise<Pulse>; stop(): void }> {
  const socket = await dial(host, port);
  const beats = { going: true, longestMs: 0, trips: 0 };
  const { promise: lost, resolve: lose } = Promise.withResolvers<string>();
  socket.on('end', () => lose('ended'));
  socket.on('error', (error) => lose(error.message));
  const run = async (): Promise<Pulse> => {
    let failure: string | undefined;
    while (beats.going && failure === undefined) {
      const began = performance.now();
      const back = new Promise<undefined>((resolve) => {
        socket.once('data', () => resolve(undefined));
      });
      socket.write('z');
      failure = await Promise.race([back, lost]);
      beats.longestMs = Math.max(beats.longestMs, performance.now() - began);
      beats.trips++;
      await new Promise((resolve) => {
        setTimeout(resolve, PULSE_MS);
      });
    }
    socket.destroy();
    const { trips, longestMs } = beats;
    return { trips, longestMs, ...(failure === undefined ? {} : { failure }) };
  };
  return { pulse: run(), stop: () => void (beats.going = false) };
}
